/**
 * @file A module: a function with parameters. In: named children and a forward function. Out: a callable that knows
 * its children, where it was made, and, while it runs, its place in the model (for errors and random streams).
 *
 * const net = nn.module({ hidden: nn.linear(4, 8), out: nn.linear(8, 1) }, (m, x: Tensor) => m.out(nn.relu(m.hidden(x))))
 * net(x); net.children.hidden.children.weight; parameters(net) → Map { 'hidden.weight' → Variable, ... }
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ValueError } from '../base/errors.js'
import { isPlainOptions } from '../base/options.js'
import { callerPlace } from '../base/place.js'
import { blameArguments } from '../trace/arguments.js'
import { scopePath, withScope } from '../trace/scope.js'
import { checkSeed, defaultSeed } from '../trace/seed.js'
import type { Tensor } from '../trace/tensor.js'
import { Variable } from '../trace/variable.js'

/** A function of tensors. Plain ones (activations) stand beside modules wherever layers do. */
// biome-ignore lint/suspicious/noExplicitAny: functions of any tensors
export type AnyFunction = (...tensors: any[]) => any

/** A parameter, a module, a plain function, or an array of them. */
export type Child = Variable | AnyFunction | readonly Child[]

/** The children of a module, by name. */
export interface Children {
  readonly [name: string]: Child
}

/** What a module has besides being a function. */
export interface ModuleParts<out C extends Children = Children> {
  /** Modules, parameters, plain functions and arrays of them, by name. */
  readonly children: C
  /** What it is, as it was written: `linear(784, 128)`. */
  readonly description: string
  /** Where it was made: `model.ts:41`. */
  readonly place: string | undefined
}

/** A function of tensors that has parameters: called as `net(x)`, its parameters are found by `parameters(net)`. */
export type Module<C extends Children = Children, F extends AnyFunction = AnyFunction> = F & ModuleParts<C>

/** Modules, and what each calls with its children. */
const modules = new WeakMap<object, AnyFunction>()
export const isModule = (value: unknown): value is Module => typeof value === 'function' && modules.has(value)

/**
 * A module of named children and a forward function, which gets the children and then the inputs.
 * Parameters are named by their key paths: `mlp.fc.weight`, `blocks.0.bias`. One child under two names, or in two
 * modules, is one: its gradients add up and it is saved once, under the first name.
 */
export function module<const C extends Children, X extends Tensor, R extends readonly unknown[], Y>(
  children: C,
  forward: (children: C, input: X, ...rest: R) => Y,
): Module<C, (input: X, ...rest: R) => Y> {
  if (!isPlainOptions(children))
    throw new ArgumentError('nn.module', `the children are ${describeValue(children)}, not an object`, {
      hint: 'Write nn.module({ hidden: nn.linear(4, 8) }, (m, x) => m.hidden(x)).',
    })
  if (typeof forward !== 'function')
    throw new ArgumentError('nn.module', `the forward function is ${describeValue(forward)}`, {
      hint: 'Write nn.module({ hidden: nn.linear(4, 8) }, (m, x) => m.hidden(x)).',
    })
  return makeModule('module', children, forward as AnyFunction) as Module<C, (input: X, ...rest: R) => Y>
}

/** For the library's layers: a module with a description and further properties. */
export function makeModule<C extends Children, P extends object>(
  description: string,
  children: C,
  forward: (children: C, ...inputs: never[]) => unknown,
  properties?: P,
): Module<C> & P {
  checkNames(children)
  const place = callerPlace()
  const self: AnyFunction = (...inputs) => call(self as Module<C>, forward as AnyFunction, inputs)
  // `name` of a function is read-only, but may be redefined.
  Object.defineProperty(self, 'name', { value: nameOf({ description } as Module) })
  modules.set(self, forward as AnyFunction)
  return Object.assign(self, { children, description, place }, properties) as unknown as Module<C> & P
}

/** What a module is besides its children: for modules made of others. */
export const forwardOf = (module: Module): AnyFunction => modules.get(module)!

/** The innermost module that is running. */
let running: Module | undefined

/** Sees each call of a layer as it returns: its path, what it was given, and what it gave. */
export type CallObserver = (call: {
  path: string
  layer: AnyFunction
  inputs: readonly unknown[]
  output: unknown
}) => void
let observer: CallObserver | undefined

/** Runs `f` while `observe` sees each call. */
export function withObserver<T>(observe: CallObserver, f: () => T): T {
  const previous = observer
  observer = observe
  try {
    return f()
  } finally {
    observer = previous
  }
}

function call(self: Module, forward: AnyFunction, inputs: unknown[]): unknown {
  const outer = running
  const path = outer ? pathWithin(outer, self) : ''
  if (!outer) initialize(self)
  running = self
  try {
    const run = () => {
      try {
        return observed(self, inputs, forward(self.children, ...inputs))
      } catch (error) {
        throw blameArguments({ operation: nameOf(self), f: forward, hidden: 1 }, inputs, error)
      }
    }
    return withScope(path, self.place, run, self.description)
  } finally {
    running = outer
  }
}

/** Calls a child that may be a plain function, which then runs under its name as well. */
export function callChild(name: string, layer: AnyFunction, input: unknown): unknown {
  if (isModule(layer)) return layer(input)
  return withScope(name, undefined, () => observed(layer, [input], layer(input)), layer.name)
}

/** `linear` of `linear(2, 3)`. */
const nameOf = ({ description }: Module): string => description.replace(/\(.*/s, '')

function observed<T>(layer: AnyFunction, inputs: readonly unknown[], output: T): T {
  observer?.({ path: scopePath(), layer, inputs, output })
  return output
}

const descendantPaths = new WeakMap<Module, Map<Module, string>>()

/** The path from a running module to one that it calls. */
function pathWithin(outer: Module, inner: Module): string {
  let paths = descendantPaths.get(outer)
  if (!paths) {
    paths = new Map()
    for (const { path, child } of descendants(outer)) if (isModule(child) && !paths.has(child)) paths.set(child, path)
    descendantPaths.set(outer, paths)
  }
  const path = paths.get(inner)
  if (path === undefined && parameters(inner).size > 0)
    throw new ValueError(inner.description, 'is called in a module that does not have it among its children', {
      hint: 'Its parameters would be neither trained nor saved: name it in nn.module({ layer, ... }, (m, x) => m.layer(x)).',
    })
  return path ?? ''
}

/** Everything below a module with its path, in order of keys, depth first; what is reached twice comes once, first path. */
function* descendants(root: Module): Generator<{ path: string; child: Child }> {
  const seen = new Set<Child>([root])
  const stack: { path: string; child: Child }[] = entries(root.children, '')
  while (stack.length > 0) {
    const { path, child } = stack.pop()!
    if (Array.isArray(child)) stack.push(...entries(child, path))
    else {
      if (seen.has(child)) continue
      seen.add(child)
      yield { path, child }
      if (isModule(child)) stack.push(...entries(child.children, path))
    }
  }
}

/** Last first, so that a stack gives them in order. */
const entries = (children: object, path: string): { path: string; child: Child }[] =>
  Object.entries(children as Children)
    .map(([name, child]) => ({ path: path ? `${path}.${name}` : name, child }))
    .reverse()

/**
 * The trainable parameters by path (`0.weight`), in the order of the model; with a pattern, those whose path matches.
 * An optimizer and `backpropagate` take the result: `optim.adam({ ... }).init(parameters(net, /^head\./))` trains the head.
 */
export function parameters(net: ModuleParts, pattern?: RegExp): Map<string, Variable> {
  const chosen = new Map<string, Variable>()
  for (const [path, variable] of state(net))
    if (variable.trainable && (!pattern || path.search(pattern) >= 0)) chosen.set(path, variable)
  return chosen
}

/** All variables by path, also those that are not trained: what a file or a checkpoint holds. */
export function state(net: ModuleParts): Map<string, Variable> {
  if (typeof net?.children !== 'object')
    throw new ArgumentError('parameters', `there is ${describeValue(net)} where a module is needed`, {
      hint: 'Modules are what nn.linear, nn.sequential and nn.module return.',
    })
  const variables = new Map<string, Variable>()
  for (const { path, child } of descendants(net as Module)) if (child instanceof Variable) variables.set(path, child)
  return variables
}

/** All modules by path, the network itself under ''. */
export function modulesOf(net: ModuleParts): Map<string, Module> {
  const found = new Map<string, Module>([['', net as Module]])
  for (const { path, child } of descendants(net as Module)) if (isModule(child)) found.set(path, child)
  return found
}

/**
 * Draws the parameters that have no values yet, each from a stream of its own, named by its path. Without it the first
 * call of the net does so with the seed of `setSeed`.
 */
export function initialize(net: ModuleParts, options: { readonly seed?: number } = {}): void {
  const seed = options.seed === undefined ? defaultSeed() : checkSeed('initialize', options.seed)
  for (const [path, variable] of state(net)) variable.initialize(seed, path)
}

/** What an optimizer or `backpropagate` works on: a module, `parameters(net, pattern)`, or a list of variables. */
export type ParameterSource = ModuleParts | ReadonlyMap<string, Variable> | readonly Variable[]

/** Variables by name. Those of a list are named 0, 1, ..., and drawn now if they have no values. */
export function namedParameters(operation: string, source: ParameterSource): Map<string, Variable> {
  let named: Map<string, Variable>
  if (isModule(source)) named = parameters(source)
  else if (source instanceof Map) named = new Map(source as ReadonlyMap<string, Variable>)
  else if (Array.isArray(source)) {
    named = new Map((source as readonly Variable[]).map((variable, i) => [String(i), variable]))
    for (const [name, variable] of named) variable.initialize(defaultSeed(), name)
  } else throw new ValueError(operation, 'takes a module, parameters(net, pattern) or a list of variables')
  if (named.size === 0)
    throw new ValueError(operation, 'was given no parameters', {
      hint: isModule(source)
        ? `${source.description} has none that are trained.`
        : 'If they come from parameters(net, pattern), the pattern matches none: print parameters(net).keys().',
    })
  return named
}

function checkNames(children: Children): void {
  for (const [name, child] of Object.entries(children)) {
    if (name === '' || name.includes('.'))
      throw new ValueError('nn.module', `a child cannot be named '${name}'`, {
        hint: 'Names are parts of paths such as encoder.weight: not empty, and without dots.',
      })
    checkChild(name, child)
  }
}

function checkChild(path: string, child: unknown): void {
  if (Array.isArray(child)) for (const [i, item] of child.entries()) checkChild(`${path}.${i}`, item)
  else if (!(child instanceof Variable) && typeof child !== 'function')
    throw new ValueError('nn.module', `the child '${path}' is no module, parameter or array of them`, {
      hint: 'Numbers and tensors need not be children: use them in the forward function. Make parameters by nn.parameter.',
    })
}
