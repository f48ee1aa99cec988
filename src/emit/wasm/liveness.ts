/**
 * @file Which values of a kernel need a local. A value used once, in its own block, may be computed where it is used,
 * straight onto the operand stack; a value that nothing uses is not computed at all.
 * In: a kernel. Out: for each value dead, inline or neither. One pass, backwards: a value's uses come before it.
 */
import type { Kernel, Statement, Value } from '../../kernel/loop.js'

export type Definition = Extract<Statement, { readonly kind: 'let' | 'load' | 'index' | 'get' }>

/** Whether the statement does nothing but compute a value. */
export function defines(statement: Statement): statement is Definition {
  const { kind } = statement
  return kind === 'let' || kind === 'load' || kind === 'index' || kind === 'get'
}

/** Expressions nest this deep at most, so that neither this compiler nor the engine's recurses without bound. */
const deepest = 40

export interface Liveness {
  isDead(value: Value): boolean
  /** Computed at the place of its use. */
  isInline(value: Value): boolean
}

/** Where a value is used first, seen from the end. */
interface Use {
  count: number
  readonly block: readonly Statement[]
  /** The place in the block where the user is computed, and how deep in an expression. */
  readonly position: number
  readonly depth: number
}

/** The next statement of a block that writes to memory, and to each variable. Loops count as what they contain. */
interface Effects {
  store: number
  readonly sets: Map<number, number>
}

export function liveness(kernel: Kernel): Liveness {
  const uses: (Use | undefined)[] = []
  const inline: boolean[] = []
  const use = ({ id }: Value, block: readonly Statement[], position: number, depth: number): void => {
    const known = uses[id]
    if (known) known.count++
    else uses[id] = { count: 1, block, position, depth }
  }

  /** Whether the value may be computed at its use: nothing in between changes what it reads. */
  const movable = (statement: Definition, { count, block, position, depth }: Use, here: unknown, after: Effects) => {
    if (statement.kind === 'let' && statement.op === 'number') return true
    if (count !== 1 || block !== here || depth >= deepest) return false
    // Buffers may share memory, so every store counts.
    if (statement.kind === 'load') return after.store >= position
    if (statement.kind === 'get') return (after.sets.get(statement.variable.id) ?? position) >= position
    return true
  }

  const walk = (block: readonly Statement[]): Effects => {
    const after: Effects = { store: Number.POSITIVE_INFINITY, sets: new Map() }
    for (let i = block.length - 1; i >= 0; i--) {
      const statement = block[i]!
      if (defines(statement)) {
        const used = uses[statement.value.id]
        if (!used) continue
        const moves = movable(statement, used, block, after)
        if (moves) inline[statement.value.id] = true
        const operands =
          statement.kind === 'let'
            ? statement.operands
            : statement.kind === 'load' && statement.row
              ? [statement.row.start]
              : []
        const position = moves ? used.position : i
        const depth = moves ? used.depth + 1 : 1
        for (const operand of operands) use(operand, block, position, depth)
      } else if (statement.kind === 'loop') {
        const inside = walk(statement.body)
        if (inside.store !== Number.POSITIVE_INFINITY) after.store = i
        for (const variable of inside.sets.keys()) after.sets.set(variable, i)
      } else if (statement.kind === 'store') {
        use(statement.value, block, i, 0)
        if (statement.row) use(statement.row.start, block, i, 0)
        after.store = i
      } else if (statement.kind === 'set') {
        use(statement.value, block, i, 0)
        after.sets.set(statement.variable.id, i)
      } else use(statement.initial, block, i, 0)
    }
    return after
  }
  walk(kernel.body)
  return { isDead: ({ id }) => uses[id] === undefined, isInline: ({ id }) => inline[id] === true }
}
