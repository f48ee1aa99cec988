/**
 * @file Augmentation as a setting: a list of names with strengths. In: 'flip,shift=2,rotate=10', or the list as JSON has it. Out: a layer
 * that goes in front of a network, and what becomes of its loss.
 *
 * augmentationOf(['flip', 'rotate=10', 'mixup=0.2']).wrap(net)
 */
import { nearest, ValueError } from '../base/errors.js'
import * as augment from '../nn/augment.js'
import * as nn from '../nn/index.js'
import type { Loss, Net } from '../train/types.js'
import type { Value } from './values.js'

interface Row {
  /** What the number means, for the help. */
  readonly about: string
  /** The strength where none is given. */
  readonly usual: number
  readonly make: (strength: number) => augment.Augmentation
}

const rows: { readonly [name: string]: Row } = {
  flip: { about: 'share mirrored', usual: 0.5, make: (p) => augment.flip({ horizontal: p }) },
  shift: { about: 'pixels', usual: 2, make: (pixels) => augment.shift(pixels) },
  rotate: { about: 'degrees', usual: 10, make: (degrees) => augment.rotate(degrees) },
  scale: { about: 'part larger or smaller', usual: 0.1, make: (part) => augment.scale(part) },
  crop: { about: 'least part of the area', usual: 0.5, make: (area) => augment.crop({ area: [area, 1] }) },
  noise: { about: 'deviation', usual: 0.05, make: (deviation) => augment.noise(deviation) },
  brightness: { about: 'part', usual: 0.2, make: (part) => augment.brightness(part) },
  contrast: { about: 'part', usual: 0.2, make: (part) => augment.contrast(part) },
  cutout: { about: 'side in pixels', usual: 8, make: (side) => augment.cutout(side) },
  mixup: { about: 'alpha', usual: 0.2, make: (alpha) => augment.mixup({ alpha }) },
}
const names = Object.keys(rows)

/** 'shift=2' as name and strength; undefined for anything else. */
function parsed(text: string): readonly [name: string, strength: number] | undefined {
  const [, name, strength] = /^([a-z]+)(?:=(.+))?$/.exec(text.trim()) ?? []
  const row = name === undefined || !Object.hasOwn(rows, name) ? undefined : rows[name]
  const number = strength === undefined ? row?.usual : Number(strength)
  if (!row || number === undefined || !Number.isFinite(number)) return undefined
  try {
    row.make(number)
  } catch {
    return undefined
  }
  return [name!, number]
}

/** For `--augment`. */
export const augmentValue: Value = {
  schema: { type: 'array', items: { type: 'string', minLength: 1 } },
  expected: `'none', or a list such as flip,shift=2,rotate=10 of ${names.map((name) => `${name} (${rows[name]!.about})`).join(', ')}`,
  expectedAsJson: `a list such as ["flip", "shift=2"] of ${names.join(', ')}`,
  read: (text) => {
    if (text === 'none') return []
    const list = text.split(',').map((one) => one.trim())
    return list.every((one) => parsed(one)) ? list : undefined
  },
}

export interface AugmentedTraining {
  /** The network with the augmentations in front; the same parameters. */
  readonly wrap: (net: Net) => Net
  readonly loss: (loss: Loss) => Loss
}

/** Throws ValueError for a name there is not, or a strength that cannot be. */
export function augmentationOf(list: readonly string[]): AugmentedTraining {
  const layers = list.map((text) => {
    const found = parsed(text)
    if (found) return rows[found[0]]!.make(found[1])
    const near = nearest(text.replace(/=.*/, ''), names)
    throw new ValueError(
      'configuration',
      `there is no augmentation '${text}'${near ? `; did you mean ${near}?` : ''}`,
      {
        hint: `Give ${augmentValue.expected}.`,
      },
    )
  })
  if (layers.length === 0) return { wrap: (net) => net, loss: (loss) => loss }
  const mixed = layers.find((layer): layer is augment.Mixup => 'loss' in layer)
  return {
    wrap: (net) => nn.sequential(augment.compose(...layers), net) as unknown as Net,
    loss: (loss) => (mixed ? mixed.loss(loss) : loss),
  }
}
