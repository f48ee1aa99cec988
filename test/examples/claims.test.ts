/**
 * @file The examples' claims on three seeds each, with less data and shorter training than the examples themselves.
 * What is asserted is the direction; figures are in examples/README.md.
 */
import { describe, expect, it } from 'vitest'
import { run as autoencoder } from '../../examples/autoencoder.js'
import { run as cnn } from '../../examples/cnn.js'
import { run as descent } from '../../examples/descent.js'
import { run as finetune } from '../../examples/finetune.js'
import { run as freeze } from '../../examples/freeze.js'
import { run as gan } from '../../examples/gan.js'
import { run as gpt } from '../../examples/gpt.js'
import { run as learningRate } from '../../examples/learning-rate.js'
import { run as names } from '../../examples/names.js'
import { run as optimizers } from '../../examples/optimizers.js'
import { run as overfitting } from '../../examples/overfitting.js'
import { run as spam } from '../../examples/spam.js'
import { run as sunspots } from '../../examples/sunspots.js'
import { run as vanishingGradient } from '../../examples/vanishing-gradient.js'

describe.each([1, 2, 3])('seed %i', (seed) => {
  it('descent: the smaller the batch, the noisier the path; epochs vary at the same rate, not at its own', async () => {
    const { sameRate, ownRate } = await descent({ seed, quick: true })
    for (const [full, mini, single] of [sameRate, ownRate]) {
      expect(full!.pathNoise).toBeLessThan(2)
      expect(mini!.pathNoise).toBeGreaterThan(2 * full!.pathNoise)
      expect(single!.pathNoise).toBeGreaterThan(2 * mini!.pathNoise)
      expect(single!.losses.at(-1)).toBeLessThan(full!.losses.at(-1)!)
    }
    const [full, mini, single] = sameRate.map((one) => one.epochNoise)
    expect(mini!).toBeGreaterThan(full!)
    expect(single!).toBeGreaterThan(2 * mini!)
    // Where the lecture is wrong: a smaller rate makes the epochs of single samples even.
    expect(ownRate[2]!.learningRate).toBeLessThan(ownRate[0]!.learningRate)
    expect(ownRate[2]!.epochNoise).toBeLessThan(single! / 2)
  })

  it('learning rate: too small is slow, too large does not converge', async () => {
    const [small, right, large] = await learningRate({ seed, quick: true })
    expect(right!.epochsNeeded).toBeLessThan(16)
    expect(small!.epochsNeeded).toBe(Number.POSITIVE_INFINITY)
    expect(small!.converged).toBe(true)
    expect(right!.accuracy).toBeGreaterThan(small!.accuracy + 0.2)
    expect(large!.converged).toBe(false)
    expect(right!.accuracy).toBeGreaterThan(large!.accuracy + 0.5)
  })

  it('vanishing gradient: sigmoids lose it, ReLU started well does not', async () => {
    const [sigmoid, tanh, relu, reluByDefault] = await vanishingGradient({ seed, quick: true })
    expect(sigmoid!.shrinkage).toBeGreaterThan(10_000)
    for (const one of [tanh!, relu!]) {
      expect(one.shrinkage).toBeLessThan(10)
      expect(one.accuracy).toBeGreaterThan(sigmoid!.accuracy + 0.3)
    }
    // The start matters as well: with smaller weights ReLU loses much of it, but far less.
    expect(reluByDefault!.shrinkage).toBeGreaterThan(10 * relu!.shrinkage)
    expect(reluByDefault!.shrinkage).toBeLessThan(sigmoid!.shrinkage / 10)
  })

  it('optimizers: all three are quicker than plain descent where gradients are small', async () => {
    const { plateau, ravine, sigmoids } = await optimizers({ seed, quick: true })
    const [plain, momentum, adagrad, adam] = plateau.map((one) => one.steps)
    expect(plain).toBe(Number.POSITIVE_INFINITY)
    expect(momentum!).toBeLessThan(2000)
    expect(adagrad!).toBeLessThan(momentum! / 5)
    expect(adam!).toBeLessThan(momentum! / 5)
    const [slowest, ...others] = ravine.map((one) => one.steps)
    for (const steps of others) expect(steps).toBeLessThan(slowest!)
    expect(ravine[1]!.steps).toBeLessThan(slowest! / 3)
    const [stuck, , , free] = sigmoids.map((one) => one.losses.at(-1)!)
    expect(stuck!).toBeGreaterThan(2.2)
    expect(free!).toBeLessThan(stuck! - 0.5)
  })

  it('overfitting: the validation loss rises again; each remedy narrows the gap', async () => {
    const { none, weightDecay, dropout, earlyStopping, unshared, shared } = await overfitting({ seed, quick: true })
    expect(none.losses.at(-1)!).toBeGreaterThan(1.1 * Math.min(...none.losses))
    for (const one of [weightDecay, dropout, earlyStopping]) expect(one.gap).toBeLessThan(0.97 * none.gap)
    expect(earlyStopping.validationLoss).toBeCloseTo(Math.min(...earlyStopping.losses), 5)
    expect(earlyStopping.losses.length).toBeLessThan(none.losses.length)
    expect(shared.parameters).toBeLessThan(unshared.parameters / 20)
    expect(shared.gap).toBeLessThan(unshared.gap)
  })

  it('two optimizers in one step: the generator finds both hills', async () => {
    const { distanceBefore, distanceAfter, left } = await gan({ seed, quick: true })
    expect(distanceAfter).toBeLessThan(distanceBefore / 2)
    expect(left).toBeGreaterThan(0.25)
    expect(left).toBeLessThan(0.75)
  })

  it('freezing: the frozen part keeps every bit, and what it knows is of use', async () => {
    const { bodyUnchanged, trainedBody, untrainedBody } = await freeze({ seed, quick: true })
    expect(bodyUnchanged).toBe(true)
    expect(trainedBody).toBeGreaterThan(0.4)
    expect(trainedBody).toBeGreaterThan(untrainedBody)
  })

  it('convolutions: windows read more digits, and above all more of those that are moved', async () => {
    const { convolutional, linear } = await cnn({ seed, quick: true })
    expect(convolutional.accuracy).toBeGreaterThan(0.9)
    expect(convolutional.accuracy).toBeGreaterThan(linear.accuracy)
    expect(convolutional.moved).toBeGreaterThan(linear.moved + 0.1)
  })

  it('spam: a bag of words finds nearly all of it, and is right about nearly all that it finds', async () => {
    const { f1, odds } = await spam({ seed, quick: true })
    expect(f1).toBeGreaterThan(0.9)
    const [ham, prize] = await odds([
      ['see', 'you', 'at', 'home'],
      ['claim', 'your', '£', '000', 'prize', 'now'],
    ])
    expect(ham!).toBeLessThan(0)
    expect(prize!).toBeGreaterThan(0)
  })

  it('autoencoder: 16 numbers of a network say more of a digit than 16 principal components', async () => {
    const { network, components } = await autoencoder({ seed, quick: true })
    expect(network).toBeLessThan(0.95 * components)
    // The components are right: digits differ from their mean by 0.065, of which they leave two fifths.
    expect(components).toBeGreaterThan(0.024)
    expect(components).toBeLessThan(0.03)
  })

  it('fine-tuning an ONNX file: what PyTorch trained on other digits is worth more than starting from nothing', async () => {
    const { asItCame, results } = await finetune({ seed, quick: true, file: 'examples/models/mnist-8x8.onnx' })
    const [{ trainedFurther, fromNothing }] = results as [(typeof results)[number]]
    // It was read right: from nothing, a tenth would be.
    expect(asItCame).toBeGreaterThan(0.5)
    expect(trainedFurther).toBeGreaterThan(asItCame + 0.15)
    expect(trainedFurther).toBeGreaterThan(fromNothing)
  })

  it('names: memory says more of the next letter than the letter before it, and makes up names like these', async () => {
    const { error, makeUp } = await names({ seed, quick: true })
    // 3.3 without knowing anything, 2.45 by a table of pairs.
    expect(error).toBeLessThan(2.2)
    const made = await makeUp(100)
    expect(made.filter((name) => /^[a-z]{2,12}$/.test(name)).length).toBeGreaterThan(80)
    expect(made.filter((name) => /[aeiouy]/.test(name)).length).toBeGreaterThan(90)
  })

  it('sunspots: what was long ago helps to foretell the next year, as much as nine years help a regression', async () => {
    const { errors } = await sunspots({ seed })
    expect(errors.network).toBeLessThan(0.75 * errors.sameAsBefore)
    expect(errors.network).toBeLessThan(1.25 * errors.regression)
    // The two it is compared with are the same for every seed.
    expect(errors.sameAsBefore).toBeCloseTo(32.9, 1)
    expect(errors.regression).toBeCloseTo(19.1, 1)
  })
})

it('gpt: after 300 steps a small one knows more of the next character than how often each occurs', async () => {
  const { validation, write } = await gpt({ seed: 1337, steps: 300, size: 48, layers: 2, quick: true })
  // ln 65 = 4.17 without knowing anything, 3.3 by how often each character occurs.
  expect(validation).toBeLessThan(2.8)
  const text = await write(200)
  expect(text).toHaveLength(200)
  const words = text.split(/\s+/)
  expect(words.length).toBeGreaterThan(15)
  expect(words.length).toBeLessThan(80)
})
