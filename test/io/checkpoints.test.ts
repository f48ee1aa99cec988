/** @file Networks that PyTorch saved, loaded here: equal outputs; prefixes, renaming, and what does not fit. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { load, nn, save, state, type Tensor } from '../../src/index.js'
import { readSafetensors } from '../../src/io/safetensors.js'
import { checkpointCases, expectCheckpoint } from '../interop/from-torch.js'
import type { Net } from '../interop/networks.js'

const folder = fileURLToPath(new URL('../fixtures/torch/safetensors', import.meta.url))

describe('saved by PyTorch', () => {
  for (const one of checkpointCases(folder)) test(one.name, () => expectCheckpoint(folder, one))
})

describe('names', () => {
  let scratch = ''
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'gradus-checkpoints-'))
  })
  afterAll(() => rm(scratch, { recursive: true }))
  const file = () => join(scratch, 'net.safetensors')
  const numbers = (net: Net) => Object.fromEntries([...state(net)].map(([name, v]) => [name, [...v.storage.read()]]))

  test('a prefix goes on in saving and off in loading; what lacks it is not read', async () => {
    const [body, whole] = [
      nn.linear(2, 3) as Net,
      nn.module({ body: nn.linear(2, 3), head: nn.linear(3, 1) }, (m, x: Tensor) => m.head(m.body(x))),
    ]
    await save(whole, file(), { prefix: 'model.', metadata: { format: 'pt' } })
    const { tensors, metadata } = readSafetensors(await readFile(file()))
    expect([...tensors.keys()].sort()).toEqual([
      'model.body.bias',
      'model.body.weight',
      'model.head.bias',
      'model.head.weight',
    ])
    expect(metadata).toEqual({ format: 'pt' })
    await load(body, file(), { prefix: 'model.body.' })
    expect(numbers(body)).toEqual(numbers(whole.children.body as Net))
    await expect(load(body, file())).rejects.toThrow(/'weight' .* is missing[\s\S]*'model.body.bias' .* is unexpected/)
    await expect(load(body, file(), { prefix: 'encoder.' })).rejects.toThrow(/no name in it begins with 'encoder.'/)
  })

  test('rename chooses names, and leaves out what it gives none', async () => {
    const [from, to] = [
      nn.sequential(nn.linear(2, 3), nn.linear(3, 2)),
      nn.module({ fc: nn.linear(2, 3) }, (m, x: Tensor) => m.fc(x)),
    ]
    await save(from, file())
    const rename = (name: string) => (name.startsWith('0.') ? name.replace('0.', 'fc.') : undefined)
    await load(to, file(), { rename })
    expect(numbers(to as Net)['fc.weight']).toEqual(numbers(from as unknown as Net)['0.weight'])
    await expect(load(to, file(), { rename: () => 'fc.weight' })).rejects.toThrow(
      /two of its tensors are renamed 'fc.weight'/,
    )
    await expect(load(to, file(), { prefx: '' } as object)).rejects.toThrow(/load: there is no option 'prefx'/)
  })
})
