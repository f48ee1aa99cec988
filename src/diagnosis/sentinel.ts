/**
 * @file Watches over the calls of a compiled step: that loss and gradients stay finite, and what its layers do. In: calls.
 * Out: their results; an error that names the first operation that was not finite, or a step that leaves everything as it was;
 * and every so often an observation.
 */
import type { TypedArray } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { NonFiniteError, type NonFiniteFault } from '../base/non-finite.js'
import { mostStepsPerCall } from '../base/pace.js'
import type { Storage } from '../base/storage.js'
import type { Program } from '../compile.js'
import { faultOf, faultText, type TracedStep } from './fault.js'
import type { OnNonFinite } from './instrument.js'
import { Journal, type Recordable } from './journal.js'
import type { Observation } from './observe.js'

/** A step as the sentinel needs it. */
export interface Guarded {
  readonly program: Program
  readonly results: readonly unknown[]
  readonly updated: readonly Storage[]
  readonly read: readonly Storage[]
  /** The same with what is observed. */
  observed(): { readonly program: Program; readonly extras: number; read(outputs: readonly TypedArray[]): Observation }
  /** The step traced once more, and what its inputs are: those of a call, and the Variables as they are now. */
  retrace(inputs: Inputs): { step: TracedStep; inputs: readonly TypedArray[] }
}

type Inputs = readonly (TypedArray | undefined)[]

/** What is to be told. */
export interface Watching {
  readonly onNonFinite?: OnNonFinite
  /** Every so many steps. */
  readonly every?: number
  readonly observe?: (observation: Observation) => void
  /** Whether observations have the gradients themselves. */
  readonly gradients?: boolean
  /** Of the first step that is skipped, and of each tenfold of that. */
  readonly skipped?: (fault: NonFiniteFault, count: number) => void
  /** Arguments may be written over after a call. */
  readonly copiesArguments?: boolean
}

class Recorded implements Recordable {
  readonly program: Program
  readonly outputs: number
  readonly updated: readonly Storage[]
  readonly read: readonly Storage[]
  readonly guarded: Guarded

  constructor(guarded: Guarded) {
    this.guarded = guarded
    this.program = guarded.program
    this.outputs = guarded.results.length + 1
    this.updated = guarded.updated
    this.read = guarded.read
  }
}

export class Sentinel {
  /** Steps made, those that were skipped among them. */
  steps = 0
  /** Steps that left everything as it was. */
  skipped = 0
  /** Which the latest of them were; counted from 1. */
  readonly recent: number[] = []
  readonly #watching: Watching
  readonly #journal: Journal<Recorded>
  readonly #recorded = new Map<Guarded, Recorded>()

  constructor(watching: Watching) {
    this.#watching = watching
    this.#journal = new Journal(watching.copiesArguments ?? false)
  }

  /** Makes a step for each of `list`, and gives the results of each. */
  run(step: Guarded, list: readonly Inputs[]): TypedArray[][] {
    const { every, observe } = this.#watching
    const results: TypedArray[][] = []
    for (let at = 0; at < list.length; ) {
      const left = every ? every - 1 - (this.steps % every) : Number.POSITIVE_INFINITY
      if (left === 0) {
        const observed = step.observed()
        const [outputs] = this.#made(step, observed.program, list.slice(at, ++at), observed.extras)
        results.push(outputs!)
        const values = observed.read(outputs!.slice(step.results.length))
        observe?.({ ...values, step: this.steps })
      } else {
        const some = list.slice(at, at + Math.min(left, list.length))
        at += some.length
        for (const outputs of this.#made(step, step.program, some, this.#watching.onNonFinite ? 1 : 0))
          results.push(outputs)
      }
    }
    return results
  }

  /** Looks at the Variables now: what a loss does not show yet. Throws where they are not finite. */
  check(): void {
    if (this.#watching.onNonFinite && !this.#journal.isFinite) this.#stop(undefined)
  }

  /** The journal begins anew: what is known of earlier calls no longer holds. */
  forget(): void {
    this.#journal.forget()
  }

  #made(step: Guarded, program: Program, list: readonly Inputs[], extras: number): TypedArray[][] {
    const { onNonFinite } = this.#watching
    const outputs = step.results.length + extras
    const run = () => (list.length === 1 ? [program.run(list[0]!, outputs)] : program.runMany(list, outputs))
    if (!onNonFinite) {
      this.steps += list.length
      return run()
    }
    let recorded = this.#recorded.get(step)
    if (!recorded) this.#recorded.set(step, (recorded = new Recorded(step)))
    if (!this.#journal.before(recorded, list)) this.#stop(undefined)
    const start = performance.now()
    const made = run()
    this.#journal.took(list.length, performance.now() - start)
    const first = this.#journal.entries.length - list.length
    const before = this.steps
    this.steps += list.length
    const bad = made.flatMap((one, i) => (one[step.results.length]![0] === 0 ? [i] : []))
    if (bad.length === 0) return made
    if (onNonFinite === 'stop') this.#stop(first + bad[0]!)
    for (const i of bad) this.#skip(first + i, before + i + 1)
    return made
  }

  #skip(entry: number, step: number): void {
    this.skipped++
    if (this.recent.push(step) > mostStepsPerCall) this.recent.shift()
    if (!this.#watching.skipped || !/^10*$/.test(String(this.skipped))) return
    const journal = this.#journal
    if (!journal.hasState) return
    const putBack = journal.hold()
    journal.replay(entry)
    const fault = this.#faultOf(entry, step)
    putBack()
    this.#watching.skipped(fault, this.skipped)
  }

  /** Goes back to before the first step that was not finite, and throws. `known`: one that was not. */
  #stop(known: number | undefined): never {
    const journal = this.#journal
    const { entries } = journal
    const after = this.steps
    if (!journal.hasState) {
      const cure = 'Lower the learning rate, standardise the inputs, or clip gradients.'
      throw this.#error(
        {
          value: 'not finite',
          what: known === undefined ? 'a parameter' : 'the loss or a gradient',
          step: after,
          inputs: [],
          cure,
        },
        0,
      )
    }
    // What a flag shows may have begun earlier.
    const end = known === undefined ? entries.length : known + 1
    journal.restore()
    let failing = -1
    for (let i = 0; i < end && failing < 0; i++) {
      const { step } = entries[i]!
      const outputs = journal.run(entries[i]!)
      if (outputs[step.guarded.results.length]![0] === 0 || !journal.isFinite) failing = i
    }
    const step = after - entries.length + failing + 1
    if (failing < 0) {
      journal.forget()
      throw new ValueError(
        'step',
        `a Variable is not finite after ${after} calls, which its own calls do not explain`,
        {
          hint: 'Something else has changed it: another step, or an assignment.',
        },
      )
    }
    journal.replay(failing)
    const fault = this.#faultOf(failing, step)
    const calls = entries.length - failing
    this.steps = step - 1
    journal.forget()
    throw this.#error(fault, calls)
  }

  #faultOf(entry: number, step: number): NonFiniteFault {
    const { step: recorded, inputs, writes } = this.#journal.entries[entry]!
    for (const { storage, data } of writes) storage.write(data)
    const again = recorded.guarded.retrace(inputs)
    return faultOf(again.step, again.inputs, step)
  }

  #error(fault: NonFiniteFault, back: number): NonFiniteError {
    const state = back > 0 ? ' Variables are as they were before this step.' : ''
    const error = new NonFiniteError(
      'step',
      `${fault.what} is ${fault.value} in step ${fault.step}. ${faultText(fault)}`,
      fault,
      {
        hint: `${fault.cure}${state}`,
      },
    )
    return error
  }
}
