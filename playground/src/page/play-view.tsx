/** @file The playground: settings, what the network says, how the losses go, what the layers do. In: the store. Out: the view. */
import { useEffect } from 'preact/hooks'
import { short } from '../lesson/chapter.js'
import { codeOf } from '../lesson/code.js'
import { differences, type Settings } from '../lesson/settings.js'
import type { Speed, TrainingId } from '../worker/messages.js'
import { CodeBlock } from './code-block.js'
import { Controls } from './controls.js'
import { Curves } from './curves.js'
import { Choice } from './field.js'
import { Layers } from './layers.js'
import { Picture } from './picture.js'
import { ask, compareWith, get, isDark, pause, play, restart, type Shown, set, useStore } from './store.js'

const statusWords = {
  running: '',
  finished: 'done',
  stopped: 'stopped early, with the parameters of the best epoch',
  diverged: 'diverged: the loss is no longer a number',
}

function Buttons() {
  const playing = useStore((all) => all.playing)
  const speed = useStore((all) => all.speed)
  const other = useStore((all) => all.other)
  const isOver = useStore(({ shown }) => [shown.a, shown.b].every((one) => one?.snapshot?.status !== 'running'))
  return (
    <div class="buttons">
      <button
        type="button"
        class="main"
        disabled={isOver && !playing}
        onClick={playing ? pause : play}
        data-test="play"
      >
        {playing ? 'Pause' : 'Train'}
      </button>
      <button type="button" disabled={playing || isOver} onClick={() => ask({ kind: 'step', updates: 1 })}>
        One step
      </button>
      <button type="button" disabled={playing || isOver} onClick={() => ask({ kind: 'step', updates: 'epoch' })}>
        One epoch
      </button>
      <button type="button" onClick={restart} data-test="restart">
        Start again
      </button>
      <Choice<Speed>
        label="Speed"
        value={speed}
        options={[
          [1, '1 update a second'],
          [10, '10 a second'],
          [100, '100 a second'],
          ['full', 'as fast as it goes'],
        ]}
        onChange={(value) => {
          set({ speed: value })
          if (get().playing) ask({ kind: 'play', speed: value })
        }}
      />
      <button
        type="button"
        aria-pressed={other !== undefined}
        onClick={() => compareWith(other ? undefined : get().settings)}
      >
        {other ? 'Compare no longer' : 'Compare with another'}
      </button>
    </div>
  )
}

function Numbers({ shown }: { readonly shown: Shown | undefined }) {
  const snapshot = shown?.snapshot
  const last = snapshot?.epochs.at(-1)
  const percent = (share: number | undefined) =>
    share === undefined || Number.isNaN(share) ? '–' : `${(100 * share).toFixed(1)} %`
  const rows: [string, string, string][] = [
    ['epoch', String(snapshot?.epoch ?? 0), 'epoch'],
    ['updates', (snapshot?.update ?? 0).toLocaleString('en'), 'update'],
    ['training loss', last ? short(last.train) : '–', 'train'],
    ['validation loss', last ? short(last.validation) : '–', 'validation'],
    ...(shown?.data.isClasses === false
      ? []
      : ([
          ['right, training', percent(last?.trainAccuracy), 'train-accuracy'],
          ['right, validation', percent(last?.validationAccuracy), 'validation-accuracy'],
        ] as [string, string, string][])),
    [
      'updates a second',
      shown && Number.isFinite(shown.updatesPerSecond) ? Math.round(shown.updatesPerSecond).toLocaleString('en') : '–',
      'pace',
    ],
  ]
  return (
    <>
      <dl class="numbers">
        {rows.map(([label, value, name]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd data-test={name}>{value}</dd>
          </div>
        ))}
      </dl>
      <p class={`status ${snapshot?.status ?? ''}`} data-test="status">
        {snapshot ? statusWords[snapshot.status] : ''}
        {snapshot?.best ? ` (best: epoch ${snapshot.best.epoch}, validation loss ${short(snapshot.best.loss)})` : ''}
      </p>
    </>
  )
}

function Run({ id, settings }: { readonly id: TrainingId; readonly settings: Settings }) {
  const shown = useStore((all) => all.shown[id])
  const dark = useStore(isDark)
  const last = shown?.snapshot?.epochs.at(-1)
  const words = `What the network says of every place${last ? `; validation loss ${short(last.validation)}` : ', before training'}`
  return (
    <div class="run" data-run={id}>
      {shown ? (
        <Picture shown={shown} kind={settings.data.kind} isDark={dark} label={words} />
      ) : (
        <div class="picture" />
      )}
      <Numbers shown={shown} />
    </div>
  )
}

/** Says the state now and then, for those who do not see the picture. */
function Spoken() {
  const text = useStore(({ playing, shown }) => {
    const snapshot = shown.a?.snapshot
    const last = snapshot?.epochs.at(-1)
    if (!snapshot || !last) return ''
    const status = statusWords[snapshot.status]
    return playing ? 'Training.' : `Epoch ${snapshot.epoch}, validation loss ${short(last.validation)}. ${status}`
  })
  return (
    <p class="hidden" role="status">
      {text}
    </p>
  )
}

export function PlayView() {
  const settings = useStore((all) => all.settings)
  const other = useStore((all) => all.other)
  const first = useStore((all) => all.shown.a?.snapshot)
  const second = useStore((all) => all.shown.b?.snapshot)
  const dark = useStore(isDark)
  useEffect(() => {
    if (!get().shown.a) restart()
  }, [])
  const curves = other
    ? [
        { name: 'A', snapshot: first },
        { name: 'B', snapshot: second },
      ]
    : [{ name: '', snapshot: first }]
  const unequal = other ? differences(settings, other) : []
  return (
    <main class={other ? 'play two' : 'play'}>
      <h2 class="hidden">Playground</h2>
      <aside aria-label={other ? 'A' : 'Settings'}>
        {other && <h3>A</h3>}
        <Controls id="a" settings={settings} />
      </aside>
      <div class="stage">
        <Buttons />
        <div class="runs">
          <Run id="a" settings={settings} />
          {other && <Run id="b" settings={other} />}
        </div>
        {other && (
          <p class="differences">
            {unequal.length === 0
              ? 'A and B are the same so far. Change a setting of B.'
              : `They differ in ${unequal.map(({ name, values: [a, b] }) => `${name}: ${a} and ${b}`).join('; ')}.`}
          </p>
        )}
        <Curves curves={curves} isDark={dark} />
        <div class="tables">
          <Layers settings={settings} snapshot={first} />
          {other && <Layers settings={other} snapshot={second} />}
        </div>
        <CodeBlock title="The same with Gradus" text={codeOf(settings)} />
        <Spoken />
      </div>
      {other && (
        <aside aria-label="B">
          <h3>B</h3>
          <Controls id="b" settings={other} />
        </aside>
      )}
    </main>
  )
}
