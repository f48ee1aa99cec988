/**
 * @file Damage to checkpoints: every byte flipped, every length, files gone or exchanged. Always found; always the one before, or an error.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { watchCalls, writeFileAtomic } from '../../src/io/atomic.js'
import { DamageError, decodeRecord, decodeTensors, encodeCheckpoint } from '../../src/io/checkpoint-file.js'
import { CheckpointFolder } from '../../src/io/checkpoint-folder.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-folder-'))
const whole = join(base, 'whole')
const keep = { keep: 2, keepBest: false }
const content = (n: number) => ({
  values: { n },
  tensors: new Map([['x', { dtype: 'float32' as const, shape: [2], data: Float32Array.of(n, -n) }]]),
})
/** What is there beside the lock of this process. */
const filesOf = (folder: string) => readdirSync(folder).filter((name) => !name.startsWith('.lock-'))
const file = (folder: string, name: string) => new Uint8Array(readFileSync(join(folder, name)))
beforeAll(async () => {
  const folder = await CheckpointFolder.open(whole, keep)
  for (const n of [1, 2]) await folder.write(content(n))
})
afterEach(() => {
  watchCalls(undefined)
  vi.restoreAllMocks()
})
afterAll(() => rmSync(base, { recursive: true }))

test('every byte flipped in every bit, and every length, of either file is found', () => {
  const name = 'checkpoint-000002'
  const [recordBytes, tensorBytes] = [file(whole, `${name}.json`), file(whole, `${name}.safetensors`)]
  const read = (record: Uint8Array, tensors: Uint8Array) => decodeTensors(decodeRecord(name, record), tensors)
  expect([...read(recordBytes, tensorBytes).get('x')!.data]).toEqual([2, -2])
  for (const kind of ['record', 'tensors']) {
    const bytes = kind === 'record' ? recordBytes : tensorBytes
    const damaged = (other: Uint8Array) =>
      expect(() => (kind === 'record' ? read(other, tensorBytes) : read(recordBytes, other))).toThrow(DamageError)
    for (let at = 0; at < bytes.length; at++) {
      damaged(bytes.slice(0, at))
      for (let bit = 0; bit < 8; bit++) {
        const other = bytes.slice()
        other[at]! ^= 1 << bit
        damaged(other)
      }
    }
    for (const more of [0, 10, 32]) damaged(Uint8Array.of(...bytes, more))
  }
})

test('a damaged newest gives way to the one before, with one line', async () => {
  const says = vi.spyOn(console, 'error').mockImplementation(() => {})
  const names = ['checkpoint-000002.json', 'checkpoint-000002.safetensors']
  const damages: ((path: string, bytes: Uint8Array) => void)[] = [
    (path, bytes) => writeFileSync(path, bytes.subarray(0, bytes.length - 1)),
    (path) => writeFileSync(path, ''),
    (path, bytes) => writeFileSync(path, bytes.with(bytes.length >> 1, bytes[bytes.length >> 1]! ^ 1)),
    // The files of another checkpoint, whole in themselves.
    (path) => cpSync(path.replace('000002', '000001'), path),
  ]
  let i = 0
  for (const name of names)
    for (const damage of damages) {
      const copy = join(base, `copy-${i++}`)
      cpSync(whole, copy, { recursive: true })
      damage(join(copy, name), file(copy, name))
      says.mockClear()
      const folder = await CheckpointFolder.open(copy, keep)
      const found = await folder.newest()
      expect(found).toMatchObject({ name: 'checkpoint-000001', values: { n: 1 } })
      expect([...found!.tensors.get('x')!.data]).toEqual([1, -1])
      expect(says.mock.calls).toEqual([
        [expect.stringMatching(/^checkpoint: checkpoint-000002.* is damaged .*checkpoint-000001/)],
      ])
      // Its number is not used again, and it goes once there is something better.
      await folder.write(content(3))
      expect(filesOf(copy).filter((one) => one.endsWith('.json'))).toEqual([
        'checkpoint-000001.json',
        'checkpoint-000003.json',
      ])
    }
})

test('whatever moment a process dies at, the folder holds the last checkpoint or the one before', async () => {
  const says = vi.spyOn(console, 'error').mockImplementation(() => {})
  const folder = join(base, 'moments')
  const opened = await CheckpointFolder.open(folder, { keep: 2, keepBest: true })
  // A copy of the folder before every system call is what a process leaves that is killed there.
  const moments: { copy: string; during: number; call: string }[] = []
  let during = 0
  watchCalls((call) => {
    const copy = join(base, `moment-${moments.length}`)
    cpSync(folder, copy, { recursive: true })
    moments.push({ copy, during, call })
  }, 100)
  for (during = 1; during <= 5; during++)
    await opened.write(content(during), { metric: 'loss', value: Math.abs(2 - during), better: 'lower' })
  watchCalls(undefined)
  expect(new Set(moments.map(({ call }) => call)).size).toBe(7)
  for (const { copy, during: now } of moments) {
    const again = await CheckpointFolder.open(copy, keep)
    const found = await again.newest()
    const n = (found?.values as { n: number } | undefined)?.n ?? 0
    expect([now - 1, now]).toContain(n)
    if (found) expect([...found.tensors.get('x')!.data]).toEqual([n, -n])
    await again.write(content(9))
    expect((await (await CheckpointFolder.open(copy, keep)).newest())?.values).toEqual({ n: 9 })
  }
  expect(says).not.toHaveBeenCalled()
})

test('where all are damaged nothing begins again silently', async () => {
  const copy = join(base, 'all')
  cpSync(whole, copy, { recursive: true })
  for (const name of filesOf(copy)) writeFileSync(join(copy, name), file(copy, name).subarray(1))
  const before = filesOf(copy)
  const folder = await CheckpointFolder.open(copy, keep)
  await expect(folder.newest()).rejects.toThrow(/no checkpoint in .* is whole.*000002.*000001.*Nothing was changed/)
  expect(filesOf(copy)).toEqual(before)
})

test('tensors without a record are no checkpoint, and are tidied away with what was never finished', async () => {
  const copy = join(base, 'orphans')
  cpSync(whole, copy, { recursive: true })
  rmSync(join(copy, 'checkpoint-000002.json'))
  // Process 2^31 − 2 is none.
  writeFileSync(join(copy, '.checkpoint-000002.json.2147483646-0123abcd.tmp'), 'half')
  writeFileSync(join(copy, 'mine.txt'), 'stays')
  const folder = await CheckpointFolder.open(copy, keep)
  expect((await folder.newest())?.name).toBe('checkpoint-000001')
  await folder.write(content(3))
  const files = [1, 3].flatMap((n) => [`checkpoint-00000${n}.json`, `checkpoint-00000${n}.safetensors`])
  expect(filesOf(copy).sort()).toEqual([...files, 'mine.txt'])
})

test('another version, and a folder that is none, are named', async () => {
  const name = 'checkpoint-000001'
  const { record } = encodeCheckpoint(name, content(1))
  const { createHash } = await import('node:crypto')
  const body = record.slice(record.indexOf('"checkpoint":') + 13, -2).replace('"version":1', '"version":2')
  const sum = createHash('sha256').update(body).digest('hex')
  const other = new TextEncoder().encode(`{"sha256":"${sum}",\n"checkpoint":${body}}\n`)
  expect(() => decodeRecord(name, other)).toThrow(/its version is 2, this Gradus reads 1/)
  await expect(CheckpointFolder.read(join(base, 'none'))).rejects.toThrow(/the folder .* cannot be read/)
})

test('the writer makes these calls, in this order', async () => {
  const calls: string[] = []
  watchCalls((call) => calls.push(call), 4)
  await writeFileAtomic(join(base, 'text'), 'nine byte')
  expect(calls).toEqual(['open', 'write', 'write', 'write', 'sync', 'close', 'rename', 'sync folder'])
  expect(readFileSync(join(base, 'text'), 'utf8')).toBe('nine byte')
})
