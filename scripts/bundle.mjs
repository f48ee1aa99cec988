/**
 * @file Makes the bundles of the package from what tsc has written to dist/ (npm run build does both):
 *
 *   dist/bundle/        for Node, Deno and Bun: the library and the command line in a few files, readable, with source maps. One file
 *                       is read where there were three hundred.
 *   dist/gradus.js      for a page without a bundler: one file, minified; dist/gradus-thread.js is the program of its threads.
 *
 * Bundlers for browsers take dist/index.js and leave out what is not used; package.json's field `browser` says which files have
 * another form there.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  metafile: true,
  logLevel: 'warning',
}

/** `import.meta.url` stays the address of the file that says it: what is looked for beside a module is found. */
const ownAddress = {
  name: 'own address',
  setup({ onLoad, initialOptions }) {
    const out = resolve(root, initialOptions.outdir)
    onLoad({ filter: /[\\/]dist[\\/].*\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (path.includes('node_modules') || !text.includes('import.meta.url')) return undefined
      const from = relative(out, path).replaceAll('\\', '/')
      // What a message quotes is left as it stands.
      const quoted = (before) => before.split('"').length % 2 === 0
      const contents = text.replace(/^(.*)import\.meta\.url/gm, (line, before) =>
        quoted(before) ? line : `${before}new URL('${from}', import.meta.url).href`,
      )
      return { contents, loader: 'js' }
    })
  },
}

/** Many small modules each, of no use to anyone else's program: they go into the bundle. */
const inside = /^(d3-(scale|shape)|@bufbuild\/protobuf)(\/|$)/
/** All other packages are found when the library runs: what is optional, what brings files of its own, what is CommonJS. */
const others = {
  name: 'others',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) =>
      kind === 'entry-point' || importer.includes('node_modules') || inside.test(path)
        ? undefined
        : { path, external: true },
    )
  },
}

/** Packages whose code is in a bundle, with their licences. */
function notices(metafile) {
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  )
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(resolve(root, folder, 'package.json'), 'utf8'))
    const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((one) => resolve(root, folder, one)).find(existsSync)
    return `## ${name} ${version} (${license})\n\n${file ? readFileSync(file, 'utf8').trim() : `Licence: ${license}`}\n`
  })
  return `# Packages in dist/bundle\n\n${texts.join('\n')}`
}

rmSync(resolve(root, 'dist/bundle'), { recursive: true, force: true })
const node = await build({
  ...common,
  entryPoints: { index: 'dist/index.js', remote: 'dist/remote.js', cli: 'dist/cli/program.js' },
  outdir: 'dist/bundle',
  chunkNames: 'part-[hash]',
  platform: 'node',
  splitting: true,
  sourcemap: true,
  sourcesContent: false,
  plugins: [ownAddress, others],
})
writeFileSync(resolve(root, 'dist/bundle/LICENSES.md'), notices(node.metafile))

// For pages: everything of the library but what needs other packages (ONNX, charts, CSV) or Node.
const { inputs } = (
  await build({ ...common, entryPoints: ['dist/index.js'], write: false, outdir: 'dist', packages: 'external' })
).metafile
const { browser } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'))
const heavy = new Map()
/** Whether a module, by what it imports at once, needs other packages or Node; what has another form in browsers does not. */
function isHeavy(file) {
  if (!heavy.has(file)) {
    heavy.set(file, false)
    if (`./${file}` in browser) return false
    // Files of types alone are none.
    const imports = (inputs[file]?.imports ?? []).filter(({ kind }) => kind === 'import-statement')
    heavy.set(
      file,
      imports.some(({ external, path }) => external || isHeavy(path)),
    )
  }
  return heavy.get(file)
}
const forPages = (text) =>
  text.replaceAll(/^export (?:type )?(?:\{[^}]*\}|\*(?: as \w+)?) from '\.\/([^']+)';\n/gm, (line, file) =>
    isHeavy(`dist/${file}`) ? '' : line,
  )
const index = forPages(readFileSync(resolve(root, 'dist/index.js'), 'utf8'))
writeFileSync(
  resolve(root, 'dist/gradus.d.ts'),
  forPages(readFileSync(resolve(root, 'dist/index.d.ts'), 'utf8')).replace(
    '@file Public names, nothing else',
    '@file The public names that gradus.js has: all but those that need other packages (ONNX, charts, CSV)',
  ),
)
/** What is loaded only when used, and needs Node, says so instead. */
const absent = {
  name: 'absent',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined
      const file = relative(root, resolve(resolveDir, path)).replaceAll('\\', '/')
      return /^[^./]/.test(path) || isHeavy(file) ? { path, namespace: 'absent' } : undefined
    })
    onLoad({ filter: /./, namespace: 'absent' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`gradus.js has nothing of ${path.replace(/^[./]*/, '')}: it needs Node, or other packages`)})`,
    }))
  },
}
await build({
  ...common,
  stdin: {
    contents: `${index}\nimport { setThreadScript as setScript } from './runtime/wasm-worker.js'\nsetScript(new URL('./gradus-thread.js', import.meta.url))`,
    resolveDir: resolve(root, 'dist'),
    sourcefile: 'dist/gradus-entry.js',
  },
  outfile: 'dist/gradus.js',
  platform: 'browser',
  conditions: ['browser'],
  minify: true,
  sourcemap: true,
  sourcesContent: false,
  plugins: [absent],
})
const { webProgram } = await import('../dist/runtime/wasm-worker.js')
writeFileSync(resolve(root, 'dist/gradus-thread.js'), webProgram.trimStart())
writeFileSync(
  resolve(root, 'dist/gradus-thread.d.ts'),
  '/** The program of the threads of WebAssembly in browsers, as a file: see setThreadScript. */\nexport {}\n',
)
