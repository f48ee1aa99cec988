/**
 * @file Loop IR → a WebAssembly module.
 * In: kernels, and the launches that make up a program. Out: the module's bytes. It imports `env.memory` and exports
 * `k0`, `k1`... (one byte address per buffer) and `run(table)`. The table has, in words of four bytes, the address of each
 * of the program's pointers, then how far each moves from step to step, then how many steps to make.
 *
 * Where launches are shared it also imports `env.wait(threads)`, which returns when so many threads have called it, and
 * exports `share(table, thread, threads)`, which all of them call at once; their kernels take the thread and the number
 * of threads as well.
 *
 * const module = new WebAssembly.Module(emitModule({ kernels: [kernel], launches: [{ kernel: 0, pointers: [0, 1] }] }))
 */
import { type Program, type Step, stepsOf } from '../program.js'
import { Code } from './code.js'
import {
  Bytes,
  externkinds,
  functype,
  limits,
  name,
  preamble,
  section,
  sectionIds,
  type Valtype,
  vec,
} from './encode.js'
import { emitKernel, emitSharedKernel } from './kernel.js'
import { emitWait } from './team.js'

export interface EmitOptions {
  /** Import a shared memory of at most so many pages. */
  readonly shared?: { readonly maximum: number }
}

export function emitModule(program: Program, options: EmitOptions = {}): Uint8Array<ArrayBuffer> {
  const { kernels, launches } = program
  const team = new Set(launches.flatMap(({ kernel, shared }) => (shared ? [kernel] : [])))
  const functions: ModuleFunction[] = []
  const imports = team.size > 0 ? 1 : 0
  kernels.forEach((kernel, k) => {
    const shared = team.has(k)
    functions.push({
      name: `k${k}`,
      arity: kernel.buffers.length + (shared ? 2 : 0),
      code: shared ? emitSharedKernel(kernel, waitFunction) : emitKernel(kernel),
    })
  })
  functions.push({ name: 'run', arity: 1, code: emitRun(program, team, imports) })
  if (imports > 0) functions.push({ name: 'share', arity: 3, code: emitShare(program, team, imports) })
  return assemble(functions, imports > 0 ? [{ name: 'wait', arity: 1 }] : [], options)
}

/** The one import of shared programs. */
const waitFunction = 0

/** A function of i32 parameters without a result. */
export interface ModuleFunction {
  readonly name: string
  readonly arity: number
  readonly code: Code
}

/** A module over `env.memory` with these functions, all exported, and these imported from `env`, which come first. */
export function assemble(
  functions: readonly ModuleFunction[],
  imports: readonly Omit<ModuleFunction, 'code'>[],
  options: EmitOptions = {},
): Uint8Array<ArrayBuffer> {
  const arities = [...new Set([...imports, ...functions].map(({ arity }) => arity))]
  const typeOf = ({ arity }: { readonly arity: number }): number => arities.indexOf(arity)
  const out = new Bytes()
  preamble(out)
  section(
    out,
    sectionIds.type,
    vec(arities, (bytes, arity) => functype(bytes, Array<Valtype>(arity).fill('i32'), [])),
  )
  section(
    out,
    sectionIds.import,
    vec([...imports, undefined], (bytes, one) => {
      name(bytes, 'env')
      name(bytes, one?.name ?? 'memory')
      bytes.byte(one ? externkinds.func : externkinds.memory)
      if (one) bytes.u32(typeOf(one))
      else limits(bytes, 1, options.shared)
    }),
  )
  section(
    out,
    sectionIds.function,
    vec(functions, (bytes, one) => bytes.u32(typeOf(one))),
  )
  section(
    out,
    sectionIds.export,
    vec(functions, (bytes, one, i) => {
      name(bytes, one.name)
      bytes.byte(externkinds.func)
      bytes.u32(imports.length + i)
    }),
  )
  section(
    out,
    sectionIds.code,
    vec(functions, (bytes, { code }) => code.finish(bytes)),
  )
  return out.finish()
}

/** Addresses that several launches use are read once, as long as there are few. */
const localAddresses = 64

/** Pushes the addresses of a launch's buffers, read from the table in local 0, with what the loops around add. */
function pointerReader(
  code: Code,
  { launches, moves }: Program,
  iterations: ReadonlyMap<number, number>,
): (pointers: readonly number[]) => void {
  const read = (pointer: number): void => {
    code.get(0)
    code.memory('i32.load', 2, 4 * pointer)
  }
  const used = new Set(launches.flatMap((launch) => launch.pointers))
  const locals = new Map<number, number>()
  if (used.size <= localAddresses)
    for (const pointer of used) {
      read(pointer)
      const local = code.allocate('i32')
      code.set(local)
      locals.set(pointer, local)
    }
  return (pointers) => {
    for (const pointer of pointers) {
      const local = locals.get(pointer)
      if (local === undefined) read(pointer)
      else code.get(local)
      for (const { loop, bytes, alternating } of moves?.get(pointer) ?? []) {
        code.get(iterations.get(loop)!)
        if (alternating) {
          code.i32(1)
          code.instruction('i32.and')
        }
        code.i32(bytes)
        code.instruction('i32.mul')
        code.instruction('i32.add')
      }
    }
  }
}

/** All launches in order, loops as loops; `one` emits a launch, given what pushes its addresses. */
function emitSteps(
  code: Code,
  program: Program,
  one: (launch: Program['launches'][number], push: (pointers: readonly number[]) => void) => void,
): void {
  const iterations = new Map((program.loops ?? []).map((_, loop) => [loop, code.allocate('i32')]))
  const push = pointerReader(code, program, iterations)
  const emit = (steps: readonly Step[]): void => {
    for (const step of steps) {
      if (typeof step === 'number') {
        one(program.launches[step]!, push)
        continue
      }
      const iteration = iterations.get(step.loop)!
      code.i32(0)
      code.set(iteration)
      code.open('loop')
      emit(step.steps)
      code.get(iteration)
      code.i32(1)
      code.instruction('i32.add')
      code.tee(iteration)
      code.i32(program.loops![step.loop]!)
      code.instruction('i32.lt_u')
      code.branchIf(0)
      code.end()
    }
  }
  emit(stepsOf(program))
}

function emitRun(program: Program, team: ReadonlySet<number>, imports: number): Code {
  const count = program.pointers
  const code = new Code(1)
  const left = readSteps(code, count)
  code.open('loop')
  emitSteps(code, program, ({ kernel, pointers }, push) => {
    push(pointers)
    if (team.has(kernel)) {
      code.i32(0)
      code.i32(1)
    }
    code.call(imports + kernel)
  })
  emitNext(code, left, () => emitMove(code, count))
  code.end()
  return code
}

/** What each thread runs: its part of what is shared, the first one also what is not. None leaves before all are done. */
function emitShare(program: Program, team: ReadonlySet<number>, imports: number): Code {
  const [thread, threads] = [1, 2]
  const count = program.pointers
  const code = new Code(3)
  const onFirst = (f: () => void) => {
    code.get(thread)
    code.instruction('i32.eqz')
    code.open('if')
    f()
    code.end()
  }
  const left = readSteps(code, count)
  code.open('loop')
  emitSteps(code, program, ({ kernel, pointers, shared, wait }, push) => {
    if (wait) emitWait(code, threads, waitFunction)
    const call = () => {
      push(pointers)
      if (shared) {
        code.get(thread)
        code.get(threads)
      } else if (team.has(kernel)) {
        code.i32(0)
        code.i32(1)
      }
      code.call(imports + kernel)
    }
    if (shared) call()
    else onFirst(call)
  })
  emitWait(code, threads, waitFunction)
  emitNext(code, left, () => {
    onFirst(() => emitMove(code, count))
    emitWait(code, threads, waitFunction)
  })
  code.end()
  return code
}

/** A local with the number of steps to make. */
function readSteps(code: Code, pointers: number): number {
  const left = code.allocate('i32')
  code.get(0)
  code.memory('i32.load', 2, 8 * pointers)
  code.set(left)
  return left
}

/** At the end of a loop over steps: goes on if there are any left, after `move`. */
function emitNext(code: Code, left: number, move: () => void): void {
  code.get(left)
  code.i32(1)
  code.instruction('i32.sub')
  code.tee(left)
  code.i32(0)
  code.instruction('i32.gt_s')
  code.open('if')
  move()
  code.branch(1)
  code.end()
}

/** To the next step's arguments and results. */
function emitMove(code: Code, pointers: number): void {
  if (pointers === 0) return
  const [address, end] = [code.allocate('i32'), code.allocate('i32')]
  code.get(0)
  code.tee(address)
  code.i32(4 * pointers)
  code.instruction('i32.add')
  code.set(end)
  code.open('loop')
  code.get(address)
  code.get(address)
  code.memory('i32.load', 2, 0)
  code.get(address)
  code.memory('i32.load', 2, 4 * pointers)
  code.instruction('i32.add')
  code.memory('i32.store', 2, 0)
  code.get(address)
  code.i32(4)
  code.instruction('i32.add')
  code.tee(address)
  code.get(end)
  code.instruction('i32.ne')
  code.branchIf(0)
  code.end()
}
