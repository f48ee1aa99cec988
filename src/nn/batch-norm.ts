/**
 * @file Batch normalisation: statistics of the batch in training, running ones in inference. In: a number of channels.
 * Out: a layer with PyTorch's names `weight bias running_mean running_var num_batches_tracked`, so that files go both ways.
 *
 * nn.sequential(nn.linear(784, 128), nn.batchNorm(128), nn.relu, nn.linear(128, 10))
 */
import type { FloatDType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'
import { inTraining } from '../trace/trace.js'
import type { Variable } from '../trace/variable.js'
import { checkCount, checkOptions, floatDtype } from './checks.js'
import { ones, parameter, zeros } from './initializers.js'
import { makeModule } from './module.js'
import {
  type ChannelScale,
  channelAffine,
  channelScale,
  checkChannels,
  checkEpsilon,
  type NormOptions,
  perChannel,
} from './normalization.js'
import type { ChannelLayer } from './shapes.js'

/** Of `batchNorm`. */
export interface BatchNormOptions<D extends FloatDType = FloatDType> extends NormOptions<D> {
  /**
   * The share m of a new batch in the running statistics: r ← (1 − m)·r + m·new; 0.1 by default. 'cumulative': the mean over
   * all batches so far, which is PyTorch's `momentum=None`.
   */
  readonly momentum?: number | 'cumulative'
  /** Without running statistics those of the batch serve in inference as well; true by default. */
  readonly trackRunningStatistics?: boolean
}

/** The running statistics, which no optimizer trains; `num_batches_tracked` is int32 (PyTorch's is int64). */
export interface RunningStatistics<C extends number, D extends FloatDType> {
  readonly running_mean: Variable<readonly [C], D>
  readonly running_var: Variable<readonly [C], D>
  readonly num_batches_tracked: Variable<readonly [], 'int32'>
}
/** What batchNorm gives; what was left out is no child. */
export type BatchNorm<C extends number, D extends FloatDType = 'float32'> = ChannelLayer<
  C,
  D,
  ChannelScale<C, D> & RunningStatistics<C, D>
>

const optionNames = ['epsilon', 'affine', 'dtype', 'momentum', 'trackRunningStatistics']

/**
 * y = (x − μ) / √(σ² + ε) · γ + β for each channel. In training μ and σ² (divided by n) are those of the batch over all axes
 * but 1, and the running ones move towards them (the variance divided by n − 1); in inference they are the running ones.
 * x, y: [batch, channels, ...], of any rank from 2: torch's BatchNorm1d, 2d and 3d; γ, β: [channels], at first 1 and 0;
 * ε = 1e-5. Throws in training where a channel has a single number.
 * Ioffe & Szegedy 2015, arXiv:1502.03167
 */
export function batchNorm<const C extends number, D extends FloatDType = 'float32'>(
  channels: C,
  options: BatchNormOptions<D> = {},
): BatchNorm<C, D> {
  checkOptions('nn.batchNorm', options, optionNames)
  checkCount('nn.batchNorm', 'the number of channels', channels)
  const { epsilon = 1e-5, affine = true, momentum = 0.1, trackRunningStatistics = true } = options
  checkEpsilon('nn.batchNorm', epsilon)
  if (momentum !== 'cumulative' && !(momentum >= 0 && momentum <= 1))
    throw new ValueError('nn.batchNorm', `the momentum must be from 0 to 1 or 'cumulative', not ${momentum}`)
  const dtype = floatDtype('nn.batchNorm', options.dtype)
  const description = `batchNorm(${channels})`
  const state = { dtype, trainable: false }
  const running = {
    running_mean: parameter([channels], zeros, state),
    running_var: parameter([channels], ones, state),
    num_batches_tracked: parameter([], zeros, { dtype: 'int32', trainable: false }),
  }
  type Parts = ReturnType<typeof channelScale> & { [K in keyof typeof running]?: Variable }
  const children: Parts = { ...channelScale(channels, affine, dtype), ...(trackRunningStatistics ? running : {}) }
  const forward = (m: Parts, x: Tensor): Tensor => {
    checkChannels('batchNorm', x, channels, dtype, description)
    const { running_mean: mean, running_var: variance, num_batches_tracked: batches } = m
    const ofBatch = !mean || inTraining('batchNorm')
    const used = ofBatch
      ? batchStatistics(x, mean !== undefined)
      : { mean: perChannel(mean.value, x.rank), variance: perChannel(variance!.value, x.rank) }
    if (ofBatch && mean) {
      const count = x.size / channels
      batches!.assign(batches!.value.add(1))
      const share = momentum === 'cumulative' ? batches!.value.cast(dtype).reciprocal() : momentum
      follow(mean, used.mean, share)
      follow(variance!, used.variance.mul(count / (count - 1)), share)
    }
    const scale = used.variance.add(epsilon).sqrt().reciprocal()
    return channelAffine(x.sub(used.mean).mul(scale), m.weight?.value, m.bias?.value)
  }
  return makeModule(description, children as Record<string, Variable>, forward as never, {
    keepsShape: true as const,
    channels,
    dtype,
  }) as unknown as BatchNorm<C, D>
}

/** Mean and variance (divided by n) of each channel, over all other axes, which are kept. */
function batchStatistics(x: Tensor, tracked: boolean): { mean: Tensor; variance: Tensor } {
  const axes = (x.shape as Shape).flatMap((_, axis) => (axis === 1 ? [] : [axis]))
  if (x.size === x.shape[1] && (tracked || inTraining('batchNorm')))
    throw new ShapeError('batchNorm', `cannot train on ${formatShape(x.shape)}: one number a channel has no variance`, {
      hint: 'Give larger batches.',
    })
  const mean = x.mean(axes, { keepAxes: true })
  return { mean, variance: x.sub(mean).square().mean(axes, { keepAxes: true }) }
}

/** r ← r + share · (new − r), as a weighted sum, which is what PyTorch computes. */
function follow(running: Variable, fresh: Tensor, share: number | Tensor): void {
  const old = running.value
  const kept = typeof share === 'number' ? old.mul(1 - share) : old.sub(old.mul(share))
  running.assign(kept.add(fresh.detach().reshape(running.shape).mul(share)))
}
