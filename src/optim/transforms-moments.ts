/**
 * @file Further scalings by moments of the gradient: Adadelta, Adamax, NAdam, RAdam, Lion. Formulas and their order are PyTorch's, where
 * it has them; g is what comes in, u what goes out, t = 1 in the first step.
 */
import { constant } from '../nn/initializers.js'
import { type Tensor, where } from '../trace/tensor.js'
import { Variable } from '../trace/variable.js'
import { asTensor, minus, over, plus, power, type Scalar, type ScalarTensor, squareRoot, times } from './scalar.js'
import { scaledBy, signOf, stateful, type Transform } from './transform.js'
import { type AdamScaleOptions, atLeast, fraction } from './transforms.js'

/** Of `scaleByAdadelta`. */
export interface AdadeltaScaleOptions {
  /** ρ, how much of the means of squares stays. */
  readonly decay?: number
  /** ε, added to both means of squares; 1e-6 by default. */
  readonly epsilon?: number
}

/**
 * s ← ρ·s + (1 − ρ)·g², u = √(d + ε) / √(s + ε) · g, d ← ρ·d + (1 − ρ)·u²: updates as large as those before.
 * Zeiler 2012, arXiv:1212.5701; torch.optim.Adadelta
 */
export function scaleByAdadelta(options: AdadeltaScaleOptions = {}): Transform {
  const { decay = 0.9, epsilon = 1e-6 } = options
  fraction('scaleByAdadelta', 'the decay', decay)
  atLeast('scaleByAdadelta', 'epsilon', epsilon, 0)
  const average = (old: Tensor, x: Tensor) => old.mul(decay).add(x.square().mul(1 - decay))
  return stateful('scaleByAdadelta', ['squares', 'deltas'], (g, { squares, deltas }) => {
    const s = average(squares.value, g)
    const direction = deltas.value.add(epsilon).sqrt().div(s.add(epsilon).sqrt()).mul(g)
    squares.assign(s)
    deltas.assign(average(deltas.value, direction))
    return { direction, scale: 1 }
  })
}

/**
 * m ← m + (1 − β₁)(g − m), n ← max(β₂·n, |g| + ε), u = m / n / (1 − β₁ᵗ): Adam by the greatest gradient of late, not by a mean.
 * Kingma & Ba 2014, arXiv:1412.6980, section 7.1; torch.optim.Adamax
 */
export function scaleByAdamax(options: AdamScaleOptions = {}): Transform {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options
  checkMoments('scaleByAdamax', { beta1, beta2, epsilon })
  return stateful('scaleByAdamax', ['mean', 'greatest'], (g, { mean, greatest }, { step }) => {
    const m = mean.value.add(g.sub(mean.value).mul(1 - beta1))
    const n = greatest.value.mul(beta2).maximum(g.abs().add(epsilon))
    mean.assign(m)
    greatest.assign(n)
    return { direction: m.div(n), scale: over(1, minus(1, power(beta1, step))) }
  })
}

/** Of `scaleByNadam`. */
export interface NadamScaleOptions extends AdamScaleOptions {
  /** How fast μₜ = β₁(1 − 0.96^(t·momentumDecay) / 2) grows towards β₁. */
  readonly momentumDecay?: number
}

/**
 * Adam that looks ahead as Nesterov's momentum does: with μₜ = β₁(1 − 0.96^(ψt) / 2) and Πₜ the product of μ₁ to μₜ,
 * u = ((1 − μₜ)·g / (1 − Πₜ) + μₜ₊₁·m / (1 − Πₜ₊₁)) / (√(v / (1 − β₂ᵗ)) + ε). Dozat 2016; torch.optim.NAdam
 */
export function scaleByNadam(options: NadamScaleOptions = {}): Transform {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, momentumDecay = 0.004 } = options
  checkMoments('scaleByNadam', { beta1, beta2, epsilon })
  atLeast('scaleByNadam', 'momentumDecay', momentumDecay, 0)
  const mu = (t: Scalar): Scalar => times(beta1, minus(1, times(0.5, power(0.96, times(t, momentumDecay)))))
  return {
    name: 'scaleByNadam',
    init(parameters) {
      const product = new Variable([] as const, 'float64', constant(1), false)
      let [own, next]: [Scalar, Scalar] = [0, 0]
      const rule = stateful('scaleByNadam', ['mean', 'squares'], (g, { mean, squares }, { step }) => {
        const m = mean.value.add(g.sub(mean.value).mul(1 - beta1))
        const v = squares.value.mul(beta2).add(g.square().mul(1 - beta2))
        mean.assign(m)
        squares.assign(v)
        const root = scaledBy(v, over(1, minus(1, power(beta2, step))))
          .sqrt()
          .add(epsilon)
        return { direction: scaledBy(g, own).add(scaledBy(m, next)).div(root), scale: 1 }
      }).init(parameters)
      return {
        state: new Map([...rule.state, ['product/mu', product]]),
        update(updates, context) {
          const [now, later] = [mu(context.step), mu(plus(context.step, 1))]
          const here = times(product.value as ScalarTensor, now)
          product.assign(asTensor(here))
          own = over(minus(1, now), minus(1, here))
          next = over(later, minus(1, times(here, later)))
          return rule.update(updates, context)
        },
      }
    },
  }
}

/**
 * Adam whose step is rectified while the mean of squares rests on few gradients, and is that of momentum while on too few:
 * with ρ∞ = 2 / (1 − β₂) − 1 and ρₜ = ρ∞ − 2t·β₂ᵗ / (1 − β₂ᵗ), u = m̂·r·√(1 − β₂ᵗ) / (√v + ε) where ρₜ > 5, else m̂;
 * r² = (ρₜ − 4)(ρₜ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρₜ). Liu et al. 2019, arXiv:1908.03265; torch.optim.RAdam
 */
export function scaleByRadam(options: AdamScaleOptions = {}): Transform {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options
  checkMoments('scaleByRadam', { beta1, beta2, epsilon })
  const most = 2 / (1 - beta2) - 1
  return stateful('scaleByRadam', ['mean', 'squares'], (g, { mean, squares }, { step }) => {
    const m = mean.value.add(g.sub(mean.value).mul(1 - beta1))
    const v = squares.value.mul(beta2).add(g.square().mul(1 - beta2))
    mean.assign(m)
    squares.assign(v)
    const [left1, left2] = [minus(1, power(beta1, step)), minus(1, power(beta2, step))]
    const length = asTensor(minus(most, over(times(times(2, step), power(beta2, step)), left2)))
    const rectified = length
      .sub(4)
      .mul(length.sub(2))
      .mul(most / ((most - 4) * (most - 2)))
      .div(length)
    const known = length.greater(5)
    // The root of what is not used must not be NaN, and dividing by 1 leaves the momentum as it is.
    const rate = squareRoot(where(known, rectified, 1) as ScalarTensor)
    const root = scaledBy(v.sqrt().add(epsilon), over(1, times(squareRoot(left2), rate)))
    const denominator = where(known.broadcastTo(root.shape), root, 1)
    return { direction: m.div(denominator), scale: over(1, left1) }
  })
}

/**
 * u = sign(β₁·m + (1 − β₁)·g), m ← β₂·m + (1 − β₂)·g: every parameter moves by the learning rate, which should be a tenth to a
 * third of Adam's. Chen et al. 2023, arXiv:2302.06675
 */
export function scaleByLion(options: { readonly beta1?: number; readonly beta2?: number } = {}): Transform {
  const { beta1 = 0.9, beta2 = 0.99 } = options
  checkMoments('scaleByLion', { beta1, beta2, epsilon: 0 })
  return stateful('scaleByLion', ['mean'], (g, { mean }) => {
    const old = mean.value
    mean.assign(old.mul(beta2).add(g.mul(1 - beta2)))
    return { direction: signOf(old.mul(beta1).add(g.mul(1 - beta1))), scale: 1 }
  })
}

function checkMoments(name: string, options: { beta1: number; beta2: number; epsilon: number }): void {
  fraction(name, 'beta1', options.beta1)
  fraction(name, 'beta2', options.beta2)
  atLeast(name, 'epsilon', options.epsilon, 0)
}
