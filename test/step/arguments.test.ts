/** What is said of arguments that are no tensors, and of options that do not exist: never a bare TypeError. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  arange,
  barChart,
  batches,
  compile,
  concatenate,
  evaluate,
  eye,
  fit,
  full,
  GradusError,
  gather,
  grad,
  iota,
  lineChart,
  loss,
  metrics,
  mlp,
  nn,
  openModel,
  optim,
  parameters,
  parseCsv,
  prepareTable,
  random,
  save,
  stack,
  type Tensor,
  tableFromRows,
  tensor,
  variable,
  where,
  zeros,
} from '../../src/index.js'
import { parameterNames } from '../../src/trace/arguments.js'

afterEach(() => vi.unstubAllEnvs())

const x = tensor([
  [1, 2],
  [3, 4],
])
const step = compile((input: Tensor, target: Tensor) => input.mul(target).sum())
const net = nn.sequential(nn.linear(2, 3), nn.relu)
const fitting = { train: [[[1, 2]], [0]], loss: loss.crossEntropy, optimizer: optim.adam() }
/** Whatever JavaScript lets one write. */
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
const any = (value: unknown): any => value

const wrong: readonly (readonly [string, () => unknown, RegExp])[] = [
  // operations
  [
    'a layer, the result of a recurrent one',
    () => nn.linear(2, 2)(any(nn.gru(2, 2)(any(zeros([1, 3, 2]))))),
    /^linear: argument 1 is a list, where one tensor may be meant .*take the first\.$/,
  ],
  ['gather', () => gather(any([[1, 2]]), any(x)), /^gather: x is an array, not a tensor. Make one: tensor\(x\)\.$/],
  ['gather', () => gather(any(x), any([0, 1])), /^gather: numbers is an array, not a tensor/],
  ['where', () => where(any(true), x, x), /^where: mask is true, not a tensor. .*dtype: 'bool'/],
  ['where', () => where(x.less(1), any([1]), 2), /^where: whereTrue is an array, not a tensor or a number/],
  ['where', () => any(where)(x.less(1), 2), /^where: whereFalse is missing/],
  [
    'concatenate',
    () => concatenate(any(x)),
    /^concatenate: tensors is a tensor, not an array of tensors. Write concatenate\(\[a, b\]\)/,
  ],
  ['concatenate', () => concatenate([x, any('a')]), /^concatenate: tensors\[1\] is the text 'a', not a tensor/],
  ['stack', () => stack([any(3)]), /^stack: tensors\[0\] is the number 3/],
  [
    'add',
    () => x.add(any([1, 2])),
    /^add: the other operand is an array, not a tensor or a number. Make one: tensor\(values\)/,
  ],
  ['add', () => any(x).add(), /^add: the other operand is missing/],
  ['less', () => x.less(any(variable(x))), /^less: the other operand is a Variable, .*\.value/],
  ['mul', () => x.mul(any(Promise.resolve(x))), /^multiply: .* a Promise, .* Await it first/],
  [
    'matmul',
    () => x.matmul(any(Float32Array.of(1))),
    /^matmul: the other matrix is a Float32Array, .*shape: \[\.\.\.\]/,
  ],
  ['clip', () => any(x).clip(), /^clip: low is undefined, not a number/],
  [
    'reshape',
    () => x.reshape(any(4)),
    /^reshape: the shape is the number 4, not an array of whole numbers. Write \[4\]/,
  ],
  ['transpose', () => x.transpose(any(1)), /^transpose: the permutation is/],
  ['sum', () => x.sum(any('rows')), /^sum: the axes are the text 'rows'/],
  ['cast', () => x.cast(any('float16')), /^cast: there is no dtype 'float16'.*The dtypes are float32/],
  ['assign', () => variable(x).assign(any([1])), /^assign: the value is an array/],
  ['variable', () => variable(any([1])), /^variable: the initial value is an array/],
  ['grad', () => grad(any(3)), /^grad: is given the number 3, not a function/],
  // making tensors
  ['tensor', () => tensor([1], any({ dtyp: 'int32' })), /^tensor: there is no option 'dtyp'; did you mean 'dtype'/],
  ['tensor', () => tensor([1], { dtype: any('int3') }), /^tensor: there is no dtype 'int3'; did you mean 'int32'/],
  ['tensor', () => tensor(any('abc')), /^tensor: holds numbers or booleans, not the text 'abc'/],
  ['zeros', () => zeros(any(3)), /^zeros: the shape is the number 3, .*Write \[3\]/],
  ['full', () => full([2], any('a')), /^full: the value is the text 'a', not a number/],
  ['eye', () => eye(2, any({ type: 'int32' })), /^eye: there is no option 'type'/],
  ['arange', () => arange(2, { dtype: any('long') }), /^arange: there is no dtype 'long'/],
  ['iota', () => iota([2, 2], 5), /^iota: axis 5 does not exist/],
  ['random', () => random.uniform(any(3)), /^random: the shape is the number 3/],
  // modules and losses
  [
    'module',
    () => net(any([[1, 2]])),
    /^sequential.*: argument 1 \(x\) is an array, not a tensor .*Make one: tensor\(x\)/,
  ],
  ['module', () => any(net)(), /^sequential.*: argument 1 \(x\) is missing/],
  ['activation', () => nn.relu(any([1])), /^nn.relu: the input is an array/],
  ['loss', () => loss.crossEntropy(any([[1, 2]]), any([0])), /^crossEntropy: logits is an array/],
  ['loss', () => any(loss.crossEntropy)(x), /^crossEntropy: target is missing/],
  ['loss', () => loss.meanSquaredError(x, any([1])), /^meanSquaredError: the target is an array/],
  ['parameters', () => parameters(any(x)), /^parameters: there is a Tensor where a module is needed/],
  ['parseCsv', () => parseCsv(any(3)), /^parseCsv: is given the number 3/],
  ['children', () => any(nn.module)(), /^nn.module: the children are undefined, not an object/],
  ['forward', () => any(nn.module)({ a: nn.linear(2, 2) }), /^nn.module: the forward function is undefined/],
  ['shape', () => nn.parameter(any(3)), /^nn.parameter: the shape is the number 3, .*Write \[3\]/],
  ['options', () => optim.adam(any(0.01)), /^adam: the options are the number 0.01, not an object/],
  ['gradients', () => optim.adam().init(net).update(any(3)), /^optimizer.update: is given the number 3, not gradients/],
  ['loss', () => any(loss.negativeLogLikelihood)(x), /^negativeLogLikelihood: target is missing/],
  ['loss', () => any(loss.tripletMargin)(x, x), /^tripletMargin: negatives is missing/],
  ['attention', () => any(nn.attention)(x), /^nn.attention: key is missing/],
  ['rotary', () => nn.rotary(any([1])), /^nn.rotary: x is an array/],
  // data
  [
    'table',
    () => any(prepareTable)(3),
    /^prepareTable: the options are undefined, not an object. Write prepareTable\(table, \{/,
  ],
  ['mlp', () => any(mlp)(), /^mlp: the options are undefined/],
  ['chart', () => any(lineChart)({ title: 'Loss' }), /^lineChart: series is undefined, not an array/],
  ['chart', () => any(barChart)(), /^barChart: the options are undefined/],
  [
    'batches',
    () => batches([[1], [2]], any(undefined)),
    /^batches: the options are undefined, not an object. Write { size:/,
  ],
  [
    'batches',
    () => batches([[1], [2]], any({ size: 1, shufle: true })),
    /^batches: there is no option 'shufle'; did you mean 'shuffle'/,
  ],
  ['rows', () => tableFromRows(any(3)), /^tableFromRows: is given the number 3, not an array of rows/],
  ['signal', () => fit(net, any({ ...fitting, signal: 3 })), /^fit: the signal is the number 3/],
  ['progress', () => fit(net, any({ ...fitting, progress: 'yes' })), /^fit: progress is the text 'yes'/],
  // steps
  ['missing', () => any(step)(x), /^step: argument 2 \(target\) is missing .*It takes input, target\.$/],
  ['an array', () => step(x, any([1, 2])), /^step: argument 2 \(target\) is an array, not a tensor .*tensor\(target\)/],
  ['null', () => step(any(null), x), /^step: argument 1 \(input\) is null/],
  [
    'a typed array',
    () => step(x, any(Float32Array.of(1))),
    /^step: argument 2 \(target\) is a Float32Array, not a tensor/,
  ],
  [
    'deep',
    () => compile((a: { b: Tensor }) => a.b)({ b: any(Float32Array.of(1)) }),
    /^step: argument 1 \(a\), b, is a Float32Array/,
  ],
  ['each', () => step.each(any(new Set())), /^each: the list is a Set, not an array. .*step\.many\(batches\)/],
  ['each', () => step.each(any([x])), /^each: item 0 is a Tensor, not an array of the step's arguments/],
  ['explain', () => step.explain(any(x)), /^explain: .*not an array of the step's arguments/],
  [
    'explain',
    () => step.explain([x, x], any({ tim: true })),
    /^explain: there is no option 'tim'; did you mean 'time'/,
  ],
  // compile
  ['function', () => any(compile)(), /^compile: is given undefined, not a function/],
  [
    'option',
    () => compile(() => x, any({ trainin: true })),
    /^compile: there is no option 'trainin'; did you mean 'training'\? The options are training/,
  ],
  ['option', () => compile(() => x, any(true)), /^compile: the options are true, not an object/],
  [
    'training',
    () => compile(() => x, { training: any('yes') }),
    /^compile: training is the text 'yes'. It is true or false/,
  ],
  ['random', () => compile(() => x, { random: any('7') }), /^compile: random is the text '7'/],
  ['engine', () => compile(() => x, { engine: any('wsm') }), /^compile: engine is the text 'wsm', .*'wasm'/],
  [
    'threads',
    () => compile(() => x, { threads: 0 }),
    /^compile: threads is the number 0, not a whole number from 1 to 64/,
  ],
  ['numerics', () => compile(() => x, { numerics: any('fast') }), /^compile: numerics is the text 'fast'/],
]

test.each(wrong)('%s %#', (_, call, message) => {
  let error: unknown
  try {
    call()
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(GradusError)
  expect((error as Error).message).toMatch(message)
})

test('what is awaited rejects', async () => {
  await expect(step.many(any(undefined))).rejects.toThrow(/^many: the batches are undefined, which cannot be iterated/)
  await expect(step.many([], any({ sgnal: 1 }))).rejects.toThrow(/^many: there is no option 'sgnal'/)
  await expect(evaluate(net, [[[1, 2]], [0]], any(undefined))).rejects.toThrow(/^evaluate: the options are undefined/)
  const typing = { loss: loss.crossEntropy, metric: {} }
  await expect(evaluate(net, [[[1, 2]], [0]], typing)).rejects.toThrow(/no option 'metric'; did you mean 'metrics'/)
  await expect(evaluate(any(3), [[[1, 2]], [0]], {})).rejects.toThrow(
    /^evaluate: there is the number 3 where a network/,
  )
  const list = { metrics: any([metrics.accuracy]) }
  await expect(evaluate(net, [[[1, 2]], [0]], list)).rejects.toThrow(
    /^evaluate: the metrics are an array, not an object/,
  )
  await expect(openModel(any(undefined))).rejects.toThrow(/^openModel: is given undefined, not a folder/)
  await expect(save(net, any(undefined))).rejects.toThrow(/^write: the file is undefined, not a path/)
})

describe('arguments that are no tensors, and may be what they are', () => {
  test('numbers are constants; an argument may be left out', async () => {
    const scaled = compile((a: Tensor, factor?: number) => (factor === undefined ? a : a.mul(factor)).sum())
    expect([await scaled(x).item(), await scaled(x, 2).item(), await scaled(x, 3).item()]).toEqual([10, 20, 30])
  })

  test('errors of the function itself stay as they are', () => {
    const own = compile((a: Tensor) => any(a).nothing())
    expect(() => own(x)).toThrow(TypeError)
    expect(() => own(x)).toThrow(/nothing is not a function/)
  })

  test('functions and objects are told apart', async () => {
    const apply = compile((a: Tensor, f: (a: Tensor) => Tensor) => f(a).sum())
    const times = (k: number) => (a: Tensor) => a.mul(k)
    expect([await apply(x, times(2)).item(), await apply(x, times(3)).item()]).toEqual([20, 30])
    const [two, three] = [{ k: 2 }, { k: 3 }].map((fields) => Object.assign(Object.create({}), fields) as { k: number })
    const scaled = compile((a: Tensor, by: { k: number }) => a.mul(by.k).sum())
    expect([await scaled(x, two!).item(), await scaled(x, three!).item(), await scaled(x, two!).item()]).toEqual([
      20, 30, 20,
    ])
    expect(scaled.programs).toBe(2)
  })

  test('names of parameters are those that are written plainly', () => {
    expect(parameterNames((a, b = 2) => [a, b])).toEqual(['a', 'b'])
    expect(
      parameterNames(function named(a: never) {
        return a
      }),
    ).toEqual(['a'])
    expect(parameterNames(({ a }: { a: number }) => a)).toEqual([])
    expect(parameterNames((...list) => list)).toEqual([])
  })
})

test.each([
  ['GRADUS_ENGINE', 'nativ', /^environment: GRADUS_ENGINE is 'nativ', which is no engine; did you mean 'native'/],
  ['GRADUS_THREADS', 'two', /^environment: GRADUS_THREADS is 'two', not a whole number from 1 to 64/],
  ['GRADUS_NUMERICS', 'fast', /^environment: GRADUS_NUMERICS is 'fast', not fused or portable/],
  ['GRADUS_DEBUG', 'all', /^environment: GRADUS_DEBUG is 'all', not a whole number from 0 to 5/],
])('%s=%s is refused by name', (name, value, message) => {
  vi.stubEnv(name, value)
  expect(() => compile((a: Tensor) => a.add(1))(x)).toThrow(message)
})

test('docs/settings.md has each variable that the library reads', () => {
  const source = fileURLToPath(new URL('../../src', import.meta.url))
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const read = files.flatMap((file) =>
    [
      ...readFileSync(join(source, file), 'utf8').matchAll(
        /(?:environment\(|process\.env\[|chosen\('\w+', )'([A-Z]\w*)'/g,
      ),
    ].map((match) => match[1]!),
  )
  const text = readFileSync(join(source, '../docs/settings.md'), 'utf8')
  expect([...new Set(read)].sort()).toContain('GRADUS_NUMERICS')
  expect([...new Set(read)].filter((name) => !text.includes(`\`${name}\``))).toEqual([])
})
