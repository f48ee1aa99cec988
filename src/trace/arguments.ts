/**
 * @file Arguments that should be tensors and are none: what is wrong with which, and the cure.
 * In: the operation, the argument's name, what was given. Out: nothing, or an ArgumentError.
 *
 * expectTensor('gather', 'numbers', [0, 1]) throws: gather: numbers is an array, not a tensor. Make one: tensor(numbers).
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, GradusError } from '../base/errors.js'
import { isTensor, tensorCure } from './value.js'

/** Throws unless the argument is a tensor. */
export function expectTensor(operation: string, name: string, value: unknown): void {
  if (!isTensor(value)) throw notA(operation, name, value, 'a tensor')
}

/** Throws unless it is a tensor or a number. */
export function expectOperand(operation: string, name: string, value: unknown): void {
  if (typeof value !== 'number' && !isTensor(value)) throw notA(operation, name, value, 'a tensor or a number')
}

/** Throws unless it is an array of tensors. */
export function expectTensors(operation: string, name: string, value: unknown): void {
  if (!Array.isArray(value))
    throw new ArgumentError(operation, `${name} is ${describeTensor(value)}, not an array of tensors`, {
      hint: `Write ${operation}([a, b]).`,
    })
  for (let i = 0; i < value.length; i++) expectTensor(operation, `${name}[${i}]`, value[i])
}

/** Throws unless it is a number, NaN and infinities included. */
export function expectNumber(operation: string, name: string, value: unknown): void {
  if (typeof value !== 'number') throw new ArgumentError(operation, `${name} is ${describeTensor(value)}, not a number`)
}

/** Throws unless it is an array of numbers: a shape, positions, a permutation. */
export function expectNumbers(operation: string, name: string, value: unknown): void {
  if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return
  throw new ArgumentError(operation, `${name} is ${describeTensor(value)}, not an array of whole numbers`, {
    hint: typeof value === 'number' ? `Write [${value}].` : 'Write it as [2, 3].',
  })
}

const notA = (operation: string, name: string, value: unknown, wanted: string): ArgumentError =>
  value === undefined
    ? new ArgumentError(operation, `${name} is missing`, { hint: `It takes ${wanted} there.` })
    : new ArgumentError(operation, `${name} is ${describeTensor(value)}, not ${wanted}`, {
        hint: tensorCure(value, name),
      })

const describeTensor = (value: unknown): string => (isTensor(value) ? 'a tensor' : describeValue(value))

/** A function whose arguments a user gave. */
export interface Blamed {
  readonly operation: string
  /** Its names of the arguments, and how many there are. */
  readonly f: (...inputs: never[]) => unknown
  /** The first so many of its parameters are not the user's. */
  readonly hidden?: number
}

/**
 * Why a function failed that was called with `given`: the first argument that is missing or no tensor. The error itself
 * where they are not to blame. Arguments that are numbers or trees of tensors are what they should be.
 */
export function blameArguments(
  { operation, f, hidden = 0 }: Blamed,
  given: readonly unknown[],
  error: unknown,
): unknown {
  if (!(error instanceof TypeError || error instanceof ArgumentError)) return error
  // Functions that call each other: the outermost that was given something wrong is what the user called.
  const origin = error instanceof ArgumentError && error.cause instanceof Error ? error.cause : error
  const said = origin instanceof GradusError ? origin.sentence.replace(/\.( .*)?$/s, '') : origin.message
  const names = parameterNames(f).slice(hidden)
  const count = f.length - hidden
  for (let i = 0; i < Math.max(given.length, count); i++) {
    const value = given[i]
    if (!isWrong(value)) continue
    const name = names[i]
    const which = `argument ${i + 1}${name ? ` (${name})` : ''}`
    const fault = value === undefined ? 'is missing' : `is ${describeValue(value)}, not a tensor`
    const takes = names.length > 0 ? names.join(', ') : count === 1 ? 'a tensor' : `${count} arguments`
    return new ArgumentError(operation, `${which} ${fault} (${said})`, {
      hint: value === undefined ? `It takes ${takes}.` : tensorCure(value, name ?? 'values'),
      cause: origin,
    })
  }
  // A recurrent layer's result, say, given on as it is.
  const list = given.findIndex((value) => Array.isArray(value) && value.some(isTensor))
  if (list >= 0 && origin instanceof TypeError)
    return new ArgumentError(operation, `argument ${list + 1} is a list, where one tensor may be meant (${said})`, {
      hint: 'Recurrent layers give [outputs, state]: take the first.',
      cause: origin,
    })
  return error
}

const holdsTensor = (value: unknown): boolean =>
  isTensor(value) ||
  (typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    Object.values(value).some((item) => holdsTensor(item)))

const isWrong = (value: unknown): boolean =>
  typeof value !== 'number' && typeof value !== 'function' && !holdsTensor(value)

/** As they are written, where that is plain: `(input, target) => ...`. */
export function parameterNames(f: (...inputs: never[]) => unknown): string[] {
  const text = Function.prototype.toString.call(f)
  const list =
    /^(?:async\s*)?(?:function\b[^(]*|[\w$]*\s*)\(([^()]*)\)/.exec(text)?.[1] ?? /^([\w$]+)\s*=>/.exec(text)?.[1]
  const names = (list ?? '').split(',').map((name) => name.replace(/=.*$/s, '').trim())
  return names.every((name) => /^[\w$]+$/.test(name)) ? names : []
}

/** Throws for numbers in a typed array, which a step would take for a constant of the program, whatever they become. */
export function refuseArrays(operation: string, names: readonly string[], path: string, value: unknown): void {
  if (!ArrayBuffer.isView(value)) return
  const [first, ...inner] = path.split('.')
  const name = names[Number(first)]
  const which = `argument ${Number(first) + 1}${name ? ` (${name})` : ''}${inner.length > 0 ? `, ${inner.join('.')},` : ''}`
  throw new ArgumentError(operation, `${which} is ${describeValue(value)}, not a tensor`, {
    hint: tensorCure(value, inner.at(-1) ?? name ?? 'values'),
  })
}
