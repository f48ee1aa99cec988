/**
 * @file Every public name has a docstring: what src/index.ts exports, what its namespaces do, and the methods of its classes and interfaces.
 * Read from the source as text, since TypeScript 7 has no API for it; `npm run docs:api` looks deeper, and at the types named.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** A public name and the file that declares it. */
interface Public {
  readonly path: string
  readonly name: string
  readonly file: string
}
const root = fileURLToPath(new URL('../src/', import.meta.url))
const texts = new Map<string, string>()
function textOf(file: string): string {
  if (!texts.has(file)) texts.set(file, readFileSync(file, 'utf8'))
  return texts.get(file)!
}
const target = (file: string, from: string) =>
  fileURLToPath(new URL(from.replace(/\.js$/, '.ts'), new URL(`file://${file}`)))

/** Names that a file exports, each with where it is declared; lines without a docstring that open a namespace go to `bare`. */
function exportsOf(file: string, prefix: string, bare: string[]): Public[] {
  const text = textOf(file)
  const found: Public[] = []
  for (const [, list, from] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)'/gm))
    for (const entry of list!.split(',').map((one) => one.trim().replace(/^type /, ''))) {
      if (!entry) continue
      const [name, alias = name] = entry.split(' as ') as [string, string?]
      const [declared] = exportsOf(target(file, from!), '', []).filter((one) => one.name === name)
      expect(declared, `${prefix}${name} is declared in ${from}`).toBeDefined()
      found.push({ path: prefix + alias, name, file: declared!.file })
    }
  for (const [, from] of text.matchAll(/^export \* from '([^']+)'/gm))
    found.push(...exportsOf(target(file, from!), prefix, bare))
  for (const { 1: name, 2: from, index } of text.matchAll(/^export \* as (\w+) from '([^']+)'/gm)) {
    if (!hasDocstring(text.slice(0, index))) bare.push(prefix + name)
    found.push(...exportsOf(target(file, from!), `${prefix}${name}.`, bare))
  }
  const declarations = /^export (?:abstract )?(?:async )?(?:const|function\*?|class|interface|type) (\w+)/gm
  for (const [, name] of text.matchAll(declarations)) found.push({ path: prefix + name, name: name!, file })
  return found
}

/** Whether text ends in a docstring, which the header of a file is not; comments of `//` may come after it. */
function hasDocstring(before: string): boolean {
  const text = before.replace(/(?:^[ \t]*\/\/.*\n)+[ \t]*$/m, '').trimEnd()
  return text.endsWith('*/') && !text.slice(text.lastIndexOf('/**')).includes('@file')
}

/** What is declared without a docstring: the name itself, or methods of a class or an interface. */
function undocumented({ path, name, file }: Public): string[] {
  const text = textOf(file)
  const declaration = new RegExp(
    `^export (?:abstract )?(?:async )?(const|function\\*?|class|interface|type) ${name}\\b`,
    'm',
  )
  const { 1: kind, index } = declaration.exec(text)!
  const bare = hasDocstring(text.slice(0, index)) ? [] : [path]
  if (kind !== 'class' && kind !== 'interface') return bare
  // To the brace at the beginning of a line, or to {}.
  const body = text.slice(index, index + text.slice(index).search(/^\}|\{\}$/m))
  const seen = new Set<string>()
  for (const { 1: method, index: at } of body.matchAll(/^ {2}(?:static |async |\*|get )*(\w+)\??(?:<.*)?\(/gm)) {
    if (method === 'constructor' || seen.has(method!)) continue
    seen.add(method!)
    if (!hasDocstring(body.slice(0, at))) bare.push(`${path}.${method}`)
  }
  return bare
}

test('every public name has a docstring', () => {
  const bare: string[] = []
  const all = exportsOf(`${root}index.ts`, '', bare)
  expect(all.length).toBeGreaterThan(400)
  for (const path of ['fit', 'Tensor', 'nn.linear', 'nn.init.kaimingNormal', 'optim.schedules.cosine', 'nn.maxPool2d'])
    expect(all.map((one) => one.path)).toContain(path)
  expect([...bare, ...all.flatMap(undocumented)]).toEqual([])
})

test('the header of a file, or code, is no docstring', () => {
  expect(hasDocstring('/** x². */\n// biome-ignore lint: so\n')).toBe(true)
  expect(hasDocstring('/** @file All of it. */\n')).toBe(false)
  expect(hasDocstring('/** x². */\nconst a = 1\n')).toBe(false)
})
