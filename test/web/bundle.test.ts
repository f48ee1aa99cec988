/**
 * What bundlers take for a page: how much, and what never is among it. The figures are those of esbuild, minified, and gzip; needs
 * `npm run build`.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What is loaded only when it is used is not counted: bundlers put it into files of its own. */
const later: Plugin = {
  name: 'later',
  setup: ({ onResolve }) =>
    onResolve({ filter: /./ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : undefined)),
}

/** Of a program of a page: kB of what is loaded at once, and which files are in it. */
async function bundled(program: string): Promise<{ kilobytes: number; files: string[]; warnings: string[] }> {
  const { metafile, outputFiles, warnings } = await build({
    stdin: { contents: program, resolveDir: root, sourcefile: 'program.js' },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'silent',
    plugins: [later],
    // Not the paths of tsconfig.json, which lead to src.
    tsconfigRaw: '{}',
  })
  const inputs = Object.entries(Object.values(metafile.outputs)[0]!.inputs)
  return {
    kilobytes: gzipSync(outputFiles[0]!.contents, { level: 9 }).length / 1000,
    files: inputs.flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
    warnings: warnings.map(({ text }) => text),
  }
}

/** Never in the browser: interpreters, native code, importers, the command line, other packages, Node's modules. */
const banned =
  /dist\/(graph\/interpret(-sums|-places)?\.js|graph\/verify|kernel\/(interpret|verify)|runtime\/(native|interpreter|tiered)|emit\/c\/|io\/onnx|io\/(atomic|checkpoint|safetensors|lock|run-)|cli\/|watch\/|bundle\/)|node_modules|node:/

const everything = `export { tensor, grad, compile, nn, loss, optim, metrics, fit, evaluate, predict, backpropagate, batches, variable } from 'gradus'`
const lecture = `
  import { fit, tensor, nn, loss, optim } from 'gradus'
  const net = nn.sequential(nn.linear(2, 8), nn.relu, nn.dropout(0.1), nn.linear(8, 2))
  export const run = fit(net, { train: [tensor([[1, 2]]), tensor([1])], loss: loss.crossEntropy, optimizer: optim.adam() })`
const core = `export { tensor, grad, compile } from 'gradus'`

/** Most kB of what is loaded at once: what there is, and a little. Who adds to it asks whether every page needs it at once. */
test.each([
  ['a page that shows what a worker trains', `export * from 'gradus/remote'`, 6],
  ['tensors, derivatives, the compiler', core, 98],
  ['a page that trains a network', lecture, 156],
  ['all layers, losses, optimizers, metrics and fit', everything, 160],
])('%s', async (_, program, most) => {
  const { kilobytes, files, warnings } = await bundled(program)
  expect(files.filter((file) => banned.test(file))).toEqual([])
  expect(kilobytes).toBeLessThan(most)
  expect(warnings).toEqual([])
})

test('Node has one bundle, whose parts import nothing that is ours beside them', () => {
  const index = readFileSync(`${root}/dist/bundle/index.js`, 'utf8')
  expect(index).not.toMatch(/from ['"]\.\.\//)
})
