/**
 * @file Locks of folders: another process is refused by name, one that is gone counts for nothing (also where its number belongs to another now),
 * copies are free, and of many processes that come at once one at most has it. Needs `npm run build`.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkpoints, nn, runLog } from 'gradus'
import { afterAll, expect, test } from 'vitest'
import { folderHolder, lockFolder } from '../../src/io/lock.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-lock-'))
let folders = 0
const newFolder = () => {
  const folder = join(base, String(++folders))
  mkdirSync(folder)
  return folder
}
afterAll(() => rmSync(base, { recursive: true }))
const locks = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('.lock-'))
const library = fileURLToPath(new URL('../../dist/io/lock.js', import.meta.url))

/** Another process that locks the folder, says how that went, and holds it until it is told to end. */
async function holder(folder: string): Promise<{ said: string; end(signal?: NodeJS.Signals): Promise<void> }> {
  const code = `import { lockFolder } from ${JSON.stringify(library)}
    lockFolder(${JSON.stringify(folder)}).then(() => console.log('locked'), (error) => console.log(error.message))
    process.stdin.on('data', () => process.exit(0))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] })
  const said = await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data).trim())))
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    said,
    end: async (signal) => {
      if (signal) child.kill(signal)
      else child.stdin.write('end')
      await closed
    },
  }
}

test('one process at a time, which is named; its end frees the folder, however it comes', async () => {
  const folder = newFolder()
  const other = await holder(folder)
  expect(other.said).toBe('locked')
  const refused = /process \d+ has been writing to .* since 20.*Wait for its end/
  await expect(lockFolder(folder)).rejects.toThrow(refused)
  await expect(runLog(folder)).rejects.toThrow(refused)
  await expect(checkpoints(folder, { net: nn.linear(1, 1) })).rejects.toThrow(refused)
  expect(await folderHolder(folder)).toMatchObject({ host: hostname() })
  // A copy is free.
  const copy = join(base, 'copy')
  cpSync(folder, copy, { recursive: true })
  ;(await lockFolder(copy)).release()
  await other.end()
  expect(locks(folder)).toEqual([])
  const killed = await holder(folder)
  await killed.end('SIGKILL')
  expect(locks(folder).length).toBe(1)
  expect(await folderHolder(folder)).toBeUndefined()
  const lock = await lockFolder(folder)
  expect(locks(folder).length).toBe(1)
  // This process may lock it again; it is free when all have let go.
  const again = await lockFolder(join(folder, '.'))
  lock.release()
  lock.release()
  expect((await holder(folder)).said).toMatch(new RegExp(`process ${process.pid} has been writing`))
  again.release()
  expect(locks(folder)).toEqual([])
})

test('a number that belongs to another process by now, another machine, and what is no lock', async () => {
  const folder = newFolder()
  const lock = await lockFolder(folder)
  const [name] = locks(folder)
  const own = JSON.parse(readFileSync(join(folder, name!), 'utf8'))
  lock.release()
  const other = join(folder, '.lock-1-00000000')
  const write = (change: object) => writeFileSync(other, JSON.stringify({ ...own, ...change }))
  if (process.platform === 'linux') {
    write({ started: 'another boot 1' })
    expect(await folderHolder(folder)).toBeUndefined()
    ;(await lockFolder(folder)).release()
    expect(locks(folder)).toEqual([])
  }
  write({ host: 'elsewhere' })
  await expect(lockFolder(folder)).rejects.toThrow(/on elsewhere has been writing.*remove .*\.lock-1-00000000/)
  writeFileSync(other, '{"pid":')
  ;(await lockFolder(folder)).release()
  await expect(lockFolder(join(folder, 'nowhere'))).rejects.toThrow(/cannot write .*nowhere/)
})

test('of many that come at once one at most has it', async () => {
  const folder = newFolder()
  for (let round = 0; round < 2; round++) {
    const all = await Promise.all(Array.from({ length: 4 }, () => holder(folder)))
    expect(all.filter(({ said }) => said === 'locked').length).toBeLessThanOrEqual(1)
    await Promise.all(all.map(({ end }) => end()))
  }
})
