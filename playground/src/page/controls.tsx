/** @file The settings of a training as a form. In: settings. Out: changes to them. */
import {
  type ActivationName,
  activationNames,
  classData,
  curveData,
  type DataKind,
  isClasses,
  type LayerSettings,
  type LossName,
  limits,
  type Settings,
  usualNoise,
} from '../lesson/settings.js'
import type { TrainingId } from '../worker/messages.js'
import { Choice, Group, Slider } from './field.js'
import { change } from './store.js'

const titles: Record<DataKind, string> = {
  moons: 'moons',
  circles: 'circles',
  spirals: 'spirals',
  blobs: 'two clouds',
  xor: 'chessboard',
  line: 'line',
  wave: 'wave',
  steps: 'steps',
}
const percent = (share: number) => `${Math.round(100 * share)} %`
const rates = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]
const decays = [0, 0.0001, 0.001, 0.003, 0.01, 0.02, 0.03, 0.1, 0.3, 1]
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256]
const words: Record<ActivationName, string> = { sigmoid: 'sigmoid', tanh: 'tanh', relu: 'ReLU', none: 'none' }

function DataFields({ settings }: { readonly settings: Settings }) {
  const { data, seed } = settings
  const to = (changes: Partial<Settings['data']>) => change('a', { data: changes })
  return (
    <Group title="Data">
      <Choice
        label="Shape"
        value={data.kind}
        options={[...classData, ...curveData].map((kind) => [kind, titles[kind]] as const)}
        onChange={(kind) => to({ kind, noise: usualNoise[kind] })}
      />
      <Slider
        label="Samples"
        value={data.samples}
        from={20}
        to={1000}
        step={20}
        onChange={(samples) => to({ samples })}
      />
      <Slider label="Noise" value={data.noise} from={0} to={0.5} step={0.01} onChange={(noise) => to({ noise })} />
      <Slider
        label="For validation"
        value={data.validation}
        from={0.1}
        to={0.9}
        step={0.05}
        text={percent(data.validation)}
        onChange={(validation) => to({ validation })}
      />
      {isClasses(data.kind) && (
        <Slider
          label="Wrong labels"
          value={data.mislabelled}
          from={0}
          to={0.5}
          step={0.05}
          text={percent(data.mislabelled)}
          onChange={(mislabelled) => to({ mislabelled })}
        />
      )}
      <Choice
        label="Seed"
        value={seed}
        options={[1, 2, 3, 4, 5, 6, 7, 8, 9].map((one) => [one, String(one)] as const)}
        onChange={(value) => change('a', { seed: value })}
      />
    </Group>
  )
}

function Layers({ id, settings }: { readonly id: TrainingId; readonly settings: Settings }) {
  const { layers } = settings.network
  const to = (next: readonly LayerSettings[]) => change(id, { network: { layers: next } })
  const edit = (i: number, part: Partial<LayerSettings>) =>
    to(layers.map((layer, at) => (at === i ? { ...layer, ...part } : layer)))
  return (
    <>
      <ol class="layers">
        {layers.map((layer, i) => (
          <li key={`${i}-${layers.length}`}>
            <label>
              <span class="hidden">Width of hidden layer {i + 1}</span>
              <input
                type="number"
                min={limits.width[0]}
                max={limits.width[1]}
                value={layer.width}
                onChange={(event) => {
                  const [low, high] = limits.width
                  const width = Math.round(Number(event.currentTarget.value))
                  if (Number.isFinite(width)) edit(i, { width: Math.min(high, Math.max(low, width)) })
                }}
              />
            </label>
            <label>
              <span class="hidden">Activation of hidden layer {i + 1}</span>
              <select
                value={layer.activation}
                onChange={(event) => edit(i, { activation: event.currentTarget.value as ActivationName })}
              >
                {activationNames.map((name) => (
                  <option key={name} value={name}>
                    {words[name]}
                  </option>
                ))}
              </select>
            </label>
            <button
              type="button"
              aria-label={`Remove hidden layer ${i + 1}`}
              onClick={() => to(layers.filter((_, at) => at !== i))}
            >
              ×
            </button>
          </li>
        ))}
      </ol>
      <button
        type="button"
        disabled={layers.length >= limits.layers[1]}
        onClick={() => to([...layers, layers.at(-1) ?? { width: 16, activation: 'tanh' }])}
      >
        Add a layer
      </button>
    </>
  )
}

function NetworkFields({ id, settings }: { readonly id: TrainingId; readonly settings: Settings }) {
  const { network } = settings
  const to = (changes: Partial<Settings['network']>) => change(id, { network: changes })
  return (
    <Group title="Network">
      <Layers id={id} settings={settings} />
      <Slider
        label="Dropout"
        value={network.dropout}
        from={0}
        to={0.9}
        step={0.05}
        text={percent(network.dropout)}
        onChange={(dropout) => to({ dropout })}
      />
      <Choice
        label="Weights start"
        value={network.start}
        options={[
          ['default', 'small'],
          ['glorot', 'Glorot'],
          ['he', 'He'],
        ]}
        onChange={(start) => to({ start })}
      />
    </Group>
  )
}

function TrainingFields({ id, settings }: { readonly id: TrainingId; readonly settings: Settings }) {
  const { training, data } = settings
  const to = (changes: Partial<Settings['training']>) => change(id, { training: changes })
  const lossWords: [LossName, string][] = [
    ...(isClasses(data.kind) ? [['crossEntropy', 'cross-entropy'] as [LossName, string]] : []),
    ['L2', 'L2 (squares)'],
    ['L1', 'L1 (distances)'],
  ]
  return (
    <Group title="Training">
      <Choice label="Loss" value={training.loss} options={lossWords} onChange={(loss) => to({ loss })} />
      <Choice
        label="Optimizer"
        value={training.optimizer}
        options={[
          ['sgd', 'plain descent'],
          ['momentum', 'momentum'],
          ['adagrad', 'Adagrad'],
          ['adam', 'Adam'],
        ]}
        onChange={(optimizer) => to({ optimizer })}
      />
      <Choice
        label="Learning rate"
        value={training.learningRate}
        options={rates.map((rate) => [rate, String(rate)] as const)}
        onChange={(learningRate) => to({ learningRate })}
      />
      <Choice
        label="Batch"
        value={training.batchSize}
        options={[
          ...sizes.map((size) => [size, size === 1 ? '1 sample' : `${size} samples`] as const),
          ['full', 'all samples'] as const,
        ]}
        onChange={(batchSize) => to({ batchSize })}
      />
      <Choice
        label="Weight decay"
        value={training.weightDecay}
        options={decays.map((decay) => [decay, decay === 0 ? 'none' : String(decay)] as const)}
        onChange={(weightDecay) => to({ weightDecay })}
      />
      <Choice
        label="Early stopping"
        value={training.patience}
        options={[0, 5, 10, 20, 50].map((n) => [n, n === 0 ? 'never' : `after ${n} epochs`] as const)}
        onChange={(patience) => to({ patience })}
      />
      <Choice
        label="At most"
        value={training.epochs}
        options={[50, 100, 300, 1000, 3000].map((n) => [n, `${n.toLocaleString('en')} epochs`] as const)}
        onChange={(epochs) => to({ epochs })}
      />
    </Group>
  )
}

export function Controls({ id, settings }: { readonly id: TrainingId; readonly settings: Settings }) {
  return (
    <form
      class="controls"
      aria-label={id === 'a' ? 'Settings' : 'Settings of the second training'}
      onSubmit={(event) => event.preventDefault()}
    >
      {id === 'a' && <DataFields settings={settings} />}
      <NetworkFields id={id} settings={settings} />
      <TrainingFields id={id} settings={settings} />
    </form>
  )
}
