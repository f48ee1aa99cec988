/**
 * @file compile: from a function of tensors to a step, which is one call of one program.
 * In: a function, run once a shape with symbolic tensors. Out: a function of concrete tensors that returns concrete ones.
 *
 * const step = compile((x: Tensor, y: Tensor) => { ...; return error }, { training: true }); await step(x, y).item()
 */

import { describeValue } from './base/describe.js'
import { byteSize, type TypedArray } from './base/dtype.js'
import { ArgumentError, ValueError } from './base/errors.js'
import type { NonFiniteFault } from './base/non-finite.js'
import { checkNames } from './base/options.js'
import { breath, breathEvery, CallSize, mostStepsPerCall } from './base/pace.js'
import { formatShape, type Shape, sizeOf } from './base/shape.js'
import { flatten } from './base/tree.js'
import { faultText } from './diagnosis/fault.js'
import type { Observation } from './diagnosis/observe.js'
import { Sentinel, type Watching } from './diagnosis/sentinel.js'
import { type Explanation, explain } from './explain.js'
import type { TensorType } from './graph/node.js'
import { installEvaluator } from './lazy.js'
import { type CompileSettings, checkSettings } from './settings.js'
import { type Specialization, specialize } from './specialize.js'
import { parameterNames, refuseArrays } from './trace/arguments.js'
import { RandomGenerator } from './trace/random.js'
import { leaf, Tensor } from './trace/tensor.js'
import { TensorValue } from './trace/value.js'

/** How `compile` makes a program of a function. */
export interface CompileOptions extends CompileSettings {
  /** Training or inference: what dropout and batch normalisation do. Must be said before backpropagation through them. */
  readonly training?: boolean
  /** Where random numbers come from; a seed makes a generator of its own. All steps without one share a generator. */
  readonly random?: RandomGenerator | number
  /**
   * What becomes of a step whose loss or gradients (what `backpropagate` takes and gives) turn NaN or infinite. 'stop': it throws a
   * NonFiniteError, which names the first operation, its layer and its inputs, and Variables are as they were before that step.
   * 'skip': the step leaves every Variable as it was, and the run goes on. Nothing is looked at unless one is chosen.
   */
  readonly onNonFinite?: 'stop' | 'skip'
  /** Looks at every so many steps; see `ObserveOptions`. The bits of the step are those without it. */
  readonly observe?: ObserveOptions
}

/** Which steps are looked at, and who is told. */
export interface ObserveOptions {
  /** Of how many steps one is looked at; 100 by default. */
  readonly every?: number
  /** Is told what was seen: norms by parameter, statistics by layer. `trainingMonitor().observe` warns of what looks wrong. */
  readonly to: (observation: Observation) => void
  /** Whether observations have the gradients themselves as well; false by default. */
  readonly gradients?: boolean
}

/** A function that runs as one program; see `compile`. */
export type Compiled<A extends readonly unknown[], R> = ((...args: A) => R) & {
  /**
   * What was compiled for these arguments, and with `time` how long each kernel takes, beside the machine's peak unless `peak` is false (it
   * is measured once, which takes a moment). Variables keep their values.
   */
  explain(args: A, options?: { readonly time?: boolean; readonly peak?: boolean }): Explanation
  /**
   * Runs the step on each item of the list, and gives their results: what `list.map((args) => step(...args))` does, in
   * fewer calls of the program.
   */
  each(list: readonly A[]): R[]
  /**
   * Runs the step on each item, and gives the last result. Lets the event loop breathe every few milliseconds. Some steps
   * are made in one call, so that up to 32 items are taken before a step is made (one, where they come slowly). Where the
   * signal aborts, items that were taken but not yet used are dropped.
   */
  many(batches: Iterable<A> | AsyncIterable<A>, options?: { readonly signal?: AbortSignal }): Promise<R | undefined>
  /** How many programs there are: one for each combination of argument shapes so far. */
  readonly programs: number
  /** Steps that left everything as it was, with `onNonFinite: 'skip'`. */
  readonly skipped: number
  /**
   * With `onNonFinite`, looks at all Variables that the step changes, at once: after an epoch, say. Gradients of large matrices are
   * otherwise looked at by what they do to the parameters, a few times a second. Throws a NonFiniteError where one is not finite.
   */
  checkFinite(): void
}

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor
/** More shapes than this are probably a mistake: each costs a compilation. */
const manyShapes = 8

/**
 * Compiles a function of tensors. It is traced at the first call with arguments of given shapes; Variables it reads
 * are inputs, those it assigns are updated in place; numbers it uses are constants. Arguments and results may be
 * arrays and plain objects of tensors. If tracing throws, no Variable has changed.
 */
export function compile<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  if (typeof f !== 'function')
    throw new ArgumentError('compile', `is given ${describeValue(f)}, not a function`, {
      hint: 'Write compile((input, target) => { ...; return error }, { training: true }).',
    })
  checkCompileOptions(options)
  const { onNonFinite, observe } = options
  const every = observe && (observe.every ?? 100)
  const watching: Watching | undefined =
    onNonFinite || observe
      ? { onNonFinite, every, observe: observe?.to, gradients: observe?.gradients, skipped: tellSkipped }
      : undefined
  return compileWatched(f, options, watching).step
}

/** For `fit`: the step, and what watches over it. */
export function compileWatched<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: CompileOptions,
  watching: Watching | undefined,
): { readonly step: Compiled<A, R>; readonly sentinel: Sentinel | undefined } {
  installEvaluator()
  const sentinel = watching && new Sentinel(watching)
  const random = typeof options.random === 'number' ? new RandomGenerator(options.random) : options.random
  const known: Specialization[] = []
  let last: Specialization | undefined

  const find = (args: A): { found: Specialization; leaves: readonly Tensor[] } => {
    if (last?.structure === plainStructure && args.every(isTensor) && sameTypes(last.types, args))
      return { found: last, leaves: args }
    const flat = flatten<Tensor>(args, isTensor, (path, value) => refuseArrays('step', parameterNames(f), path, value))
    const structure = args.every(isTensor) ? plainStructure : flat.structure
    let found = known.find((one) => one.structure === structure && sameTypes(one.types, flat.leaves))
    if (!found) {
      found = specialize(f, flat, structure, {
        ...options,
        random,
        watching,
        wholeGradients: watching?.gradients,
      })
      known.push(found)
      if (known.length === manyShapes + 1) warnShapes(known, flat.paths)
    }
    last = found
    return { found, leaves: flat.leaves }
  }

  const resultOf = (found: Specialization, outputs: readonly TypedArray[]): R => {
    // What a step tells besides comes after its results.
    const results = found.results.map(({ shape, dtype }, i) => leaf(outputs[i]!, shape, dtype))
    return (found.single ? results[0] : found.rebuild(results)) as R
  }

  const call = (...args: A): R => {
    const { found, leaves } = find(args)
    const inputs = inputsOf(found, leaves)
    const outputs = sentinel ? sentinel.run(found, [inputs])[0]! : found.program.run(inputs, found.results.length)
    if (found.report) {
      found.report = false
      console.error(String(explain(found.program, inputs)))
    }
    return resultOf(found, outputs)
  }

  const extras = {
    each(list: readonly A[]) {
      checkList(list)
      const results: R[] = []
      for (let i = 0; i < list.length; ) {
        const { found, leaves } = find(list[i++]!)
        const inputs = [inputsOf(found, leaves)]
        // What is to be reported is called alone.
        const most = stepsACall(found)
        for (; i < list.length && inputs.length < most && !found.report; i++) {
          const next = find(list[i]!)
          if (next.found !== found) break
          inputs.push(inputsOf(found, next.leaves))
        }
        if (inputs.length === 1) results.push(call(...list[i - 1]!))
        else {
          const all = sentinel ? sentinel.run(found, inputs) : found.program.runMany(inputs, found.results.length)
          for (const outputs of all) results.push(resultOf(found, outputs))
        }
      }
      return results
    },
    explain(args: A, settings: { readonly time?: boolean; readonly peak?: boolean } = {}) {
      checkArguments('explain', 'its argument', args)
      checkNames('explain', settings, ['time', 'peak'])
      const { found, leaves } = find(args)
      return explain(found.program, settings.time ? inputsOf(found, leaves) : undefined, settings.peak)
    },
    async many(batches: Iterable<A> | AsyncIterable<A>, settings: { readonly signal?: AbortSignal } = {}) {
      checkNames('many', settings, ['signal'])
      checkIterable(batches)
      let result: R | undefined
      let waiting: A[] = []
      const size = new CallSize()
      const flush = () => {
        const list = waiting
        waiting = []
        result = size.timed(list.length, () => extras.each(list)).at(-1)
      }
      let asked = performance.now()
      try {
        for await (const args of batches) {
          settings.signal?.throwIfAborted()
          // What comes slowly is not kept waiting for more.
          const slow = performance.now() - asked > breathEvery
          if (waiting.push(args) >= size.steps || slow) flush()
          if (breath.due) await breath.take()
          asked = performance.now()
        }
      } finally {
        // Also where the batches end in an error: those before it were given.
        if (waiting.length > 0 && !settings.signal?.aborted) flush()
      }
      sentinel?.check()
      return result
    },
  }
  Object.defineProperty(call, 'programs', { get: () => known.length })
  Object.defineProperty(call, 'skipped', { get: () => sentinel?.skipped ?? 0 })
  const checkFinite = () => sentinel?.check()
  return { step: Object.assign(call, extras, { checkFinite }) as unknown as Compiled<A, R>, sentinel }
}

/** Of the first step that is skipped, and of each tenfold of that. */
function tellSkipped(fault: NonFiniteFault, count: number): void {
  console.warn(
    `gradus: step ${fault.step} was skipped, as ${fault.what} is ${fault.value} (${count} so far). ${faultText(fault)}. ${fault.cure}`,
  )
}

const optionNames = ['training', 'random', 'engine', 'threads', 'numerics', 'once', 'onNonFinite', 'observe']

function checkCompileOptions(options: CompileOptions): void {
  checkNames('compile', options, optionNames)
  const { training, random } = options
  if (training !== undefined && typeof training !== 'boolean')
    throw new ValueError('compile', `training is ${describeValue(training)}`, { hint: 'It is true or false.' })
  if (random !== undefined && typeof random !== 'number' && !(random instanceof RandomGenerator))
    throw new ValueError('compile', `random is ${describeValue(random)}`, {
      hint: 'Give a seed, such as 7, or a generator of random numbers.',
    })
  const { onNonFinite, observe } = options
  checkOnNonFinite('compile', onNonFinite)
  if (observe !== undefined) {
    checkNames('compile: observe', observe, ['every', 'to', 'gradients'])
    checkEvery('compile', observe.every)
    if (typeof observe.to !== 'function')
      throw new ValueError('compile', `observe.to is ${describeValue(observe.to)}, not a function`, {
        hint: 'Write observe: { to: (observation) => monitor.observe(observation) }.',
      })
  }
  checkSettings(options)
}

/** Throws for what is no way to deal with what is not finite. */
export function checkOnNonFinite(operation: string, value: unknown): void {
  if (value !== undefined && value !== 'stop' && value !== 'skip')
    throw new ValueError(operation, `onNonFinite is ${describeValue(value)}`, { hint: "It is 'stop' or 'skip'." })
}

/** Throws for what is no number of steps. */
export function checkEvery(operation: string, every: unknown): void {
  if (every !== undefined && !(Number.isInteger(every) && (every as number) > 0))
    throw new ValueError(operation, `every must be a whole number above 0, not ${describeValue(every)}`, {
      hint: 'Of how many steps one is looked at, such as 100.',
    })
}

function checkList(list: unknown): void {
  if (!Array.isArray(list))
    throw new ArgumentError('each', `the list is ${describeValue(list)}, not an array`, {
      hint: 'Write step.each([[input, target], ...]); for batches and other iterables step.many(batches).',
    })
  for (let i = 0; i < list.length; i++) checkArguments('each', `item ${i}`, list[i])
}

function checkArguments(operation: string, what: string, args: unknown): void {
  if (!Array.isArray(args))
    throw new ArgumentError(operation, `${what} is ${describeValue(args)}, not an array of the step's arguments`, {
      hint: 'Write [input, target] for what would be step(input, target).',
    })
}

function checkIterable(batches: unknown): void {
  const one = batches as { [Symbol.iterator]?: unknown; [Symbol.asyncIterator]?: unknown } | undefined | null
  if (typeof one?.[Symbol.iterator] !== 'function' && typeof one?.[Symbol.asyncIterator] !== 'function')
    throw new ArgumentError('many', `the batches are ${describeValue(batches)}, which cannot be iterated`, {
      hint: 'Give batches(data, { size: 64 }), or a list of [input, target].',
    })
}

/** Arguments and results have a place for each step of a call, which together should not be larger than this. */
const mostBytes = 16 * 1024 * 1024

const bytesOf = ({ dtype, shape }: TensorType): number => byteSize[dtype] * sizeOf(shape)
const stepsACall = ({ types, results }: Specialization): number => {
  const bytes = [...types, ...results].reduce((sum, type) => sum + bytesOf(type), 0)
  return Math.max(1, Math.min(mostStepsPerCall, Math.floor(mostBytes / Math.max(1, bytes))))
}

/** All arguments are tensors, none a tree. */
const plainStructure = 'tensors'

function inputsOf(found: Specialization, leaves: readonly Tensor[]): (TypedArray | undefined)[] {
  const { feeds } = found
  const inputs = new Array<TypedArray | undefined>(feeds.length)
  for (let i = 0; i < feeds.length; i++) {
    const from = feeds[i]!
    if (from >= 0) inputs[i] = TensorValue.evaluate([leaves[from]!])[0]
  }
  return inputs
}

function sameTypes(types: readonly TensorType[], tensors: readonly Tensor[]): boolean {
  if (types.length !== tensors.length) return false
  for (let i = 0; i < types.length; i++) {
    const [type, tensor] = [types[i]!, tensors[i]!]
    if (type.dtype !== tensor.dtype) return false
    const shape = tensor.shape as Shape
    if (type.shape !== shape) {
      if (type.shape.length !== shape.length) return false
      for (let axis = 0; axis < shape.length; axis++) if (type.shape[axis] !== shape[axis]) return false
    }
  }
  return true
}

function warnShapes(known: readonly Specialization[], paths: readonly string[]): void {
  const varying = paths.filter((_, i) => new Set(known.map((one) => String(one.types[i]?.shape))).size > 1)
  const shown = known.slice(-3).map((one) => one.types.map((type) => formatShape(type.shape)).join(' '))
  console.warn(
    `gradus: a step was compiled for ${known.length} different shapes; argument ${varying.join(', ') || '?'} varies (${shown.join('; ')} ...). ` +
      'Each new shape compiles again: pad or bucket the batches.',
  )
}
