/**
 * @file Merging neighbouring loops: axes over which everything read and stored moves evenly become one.
 * A contiguous elementwise kernel over [32, 10] is one loop of 320.
 */
import { MustStore, moveStep, type Offset, offsetsOf, type Stage } from './stage.js'

export interface Collapsed {
  readonly stages: readonly Stage[]
  readonly domain: readonly number[]
  readonly rows: number
  readonly kept: number
}

/** Axes merge within three ranges, never across: the rows stay apart, then kept axes, then reduced ones. */
export function collapse(stages: readonly Stage[], rows: number, kept: number): Collapsed {
  const { domain } = stages[0]!
  const offsets = stages.flatMap((stage) => [stage.store, ...offsetsOf(stage)])
  const groups: number[][] = []
  for (let d = 0; d < domain.length; d++) {
    const previous = groups[groups.length - 1]
    const together =
      previous !== undefined && d > rows && d !== kept && offsets.every((offset) => moveEvenly(offset, d, domain))
    if (together) previous.push(d)
    else groups.push([d])
  }
  const pick = (offset: Offset): Offset => ({
    constant: offset.constant,
    coefficients: groups.map((group) => offset.coefficients[group[group.length - 1]!] ?? 0),
  })
  return {
    // Keys still name the original offsets, by which the stages of one body know each other's values.
    stages: stages.map((stage) => ({
      ...stage,
      steps: stage.steps.map((step) => moveStep(step, pick)),
      store: pick(stage.store),
      domain: groups.map((g) => extentOf(g, domain)),
    })),
    domain: groups.map((group) => extentOf(group, domain)),
    rows,
    kept: groups.filter((group) => group[0]! < kept).length,
  }
}

const extentOf = (group: readonly number[], domain: readonly number[]): number =>
  group.reduce((n, d) => n * domain[d]!, 1)

function moveEvenly(offset: Offset, d: number, domain: readonly number[]): boolean {
  const [outer, inner] = [offset.coefficients[d - 1] ?? 0, offset.coefficients[d] ?? 0]
  return outer === inner * domain[d]!
}

/** Throws MustStore for a long reduction whose operand does not move evenly over its reduced axes. */
export function checkReducible(stage: Stage): void {
  if (stage.kind === 'map' || stage.domain.length - stage.kept <= 1) return
  const { domain, kept } = collapse([stage], 0, stage.kept)
  const single = domain.length - kept <= 1
  const count = domain.slice(kept).reduce((n, extent) => n * extent, 1)
  const needsOne = stage.kind === 'rowReduce' || count > 512
  if (!single && needsOne) throw new MustStore(stage.root.operands[0]!)
}
