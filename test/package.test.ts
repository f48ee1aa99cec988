/**
 * The package as a stranger gets it: packed, put into an empty project beside its dependencies, README's examples
 * type-check and run. Needs `npm run build` (npm test does it).
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const project = mkdtempSync(join(tmpdir(), 'gradus-package-'))
const run = (command: string, args: readonly string[], cwd = project) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object }
let files: readonly string[] = []
let tarball = ''

beforeAll(() => {
  const [packed] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], root),
  ) as [{ filename: string; files: { path: string }[] }]
  files = packed.files.map((file) => file.path)
  tarball = join(project, packed.filename)
  mkdirSync(join(project, 'node_modules/@gradus'), { recursive: true })
  mkdirSync(join(project, 'node_modules/gradus'))
  run('tar', ['xzf', packed.filename, '--strip-components=1', '-C', 'node_modules/gradus'])
  cpSync(join(root, 'datasets'), join(project, 'node_modules/@gradus/datasets'), { recursive: true })
  for (const name of Object.keys(dependencies)) {
    const place = join(project, 'node_modules', name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), place)
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }))
})
afterAll(() => rmSync(project, { recursive: true, force: true }))

test('the tarball holds the library and no data', () => {
  expect(files).toContain('dist/index.js')
  expect(files).toContain('dist/index.d.ts')
  expect(
    files.filter(
      (path) =>
        !/^(dist\/.*\.(js|d\.ts)|dist\/(bundle\/[^/]*|gradus)\.js\.map|dist\/bundle\/LICENSES\.md|dist\/watch\/page\/(index\.html|page\.css|icon\.svg)|README\.md|LICENSE|package\.json|schema\/train\.json)$/.test(
          path,
        ),
    ),
  ).toEqual([])
})

test('are the types wrong? publint?', async () => {
  const { problems } = (await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))))) as {
    problems: { kind: string; entrypoint?: string; resolutionKind?: string }[]
  }
  // It is ESM: nothing is there for require() of old.
  const ours = problems.filter(({ resolutionKind }) => resolutionKind !== 'node10' && resolutionKind !== 'node16-cjs')
  expect(ours).toEqual([])
  const { messages } = await publint({ pkgDir: join(project, 'node_modules/gradus'), strict: true, pack: false })
  // The field `browser` replaces files within the package, which `exports` cannot do.
  expect(messages.filter(({ code }) => code !== 'USE_EXPORTS_OR_IMPORTS_BROWSER')).toEqual([])
})

test("README's examples type-check and run", () => {
  const examples = [
    ...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/<!-- example: (\S+) -->\n```ts\n([\s\S]*?)```/g),
  ]
  expect(examples.length).toBe(2)
  // Fewer epochs than the README's: what is tested is that it works.
  for (const [, name, text] of examples)
    writeFileSync(join(project, name!), text!.replace(/epochs: \d+/, 'epochs: 1').replace(/epoch < \d+/, 'epoch < 1'))
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2022',
        lib: ['ES2023', 'DOM'],
        module: 'NodeNext',
        strict: true,
        outDir: 'out',
        types: [],
      },
      files: examples.map(([, name]) => name),
    }),
  )
  run(join(root, 'node_modules/.bin/tsc'), ['-p', '.'])
  const output = examples.map(([, name]) => run('node', [join('out', name!.replace(/ts$/, 'js'))]))
  expect(output[0]).toMatch(/accuracy: 0\.9/)
  expect(output[1]).toMatch(/^0 0\.\d+/)
})
