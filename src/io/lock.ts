/**
 * @file Folders that one process at a time writes to. Node only. In: a folder. Out: a lock, or an error that names who has it; that of a
 * process that is gone counts for nothing, also where another one has its number now.
 *
 * const lock = await lockFolder('runs/a'); ...; lock.release()                   // and when the process ends
 *
 * Each process writes a file of its own, `.lock-PID-…`, then looks for others: of two that come at the same time at least one sees the other.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { FileError } from '../base/errors.js'
import { writeError } from './atomic.js'

export interface Lock {
  /** Lets others write; the end of the process does so too. Never throws. */
  release(): void
}

/** Who writes to a folder. */
export interface Holder {
  readonly pid: number
  readonly host: string
  /** When its process started, in a form that only equality means something for; absent where the system does not say. */
  readonly started?: string
  /** ISO. */
  readonly since: string
  /** The folder, by its number in the file system: a copy of it is not locked. */
  readonly folder: string
}

const pattern = /^\.lock-\d+-[0-9a-f]{8}$/
/** How often two that came at the same moment try again. */
const attempts = 5

/** Locks that this process has, by path: each can be had again by it. */
const own = new Map<string, { readonly file: string; count: number }>()
let listens = false

/**
 * Locks a folder, which must exist, against other processes. The same process may lock it again. Throws FileError where another process, or a
 * process of another machine, has it.
 */
export async function lockFolder(folder: string): Promise<Lock> {
  const path = resolve(folder)
  const had = own.get(path)
  if (had) {
    had.count++
    return lockOf(path, had)
  }
  const name = `.lock-${process.pid}-${randomBytes(4).toString('hex')}`
  const entry = { file: join(path, name), count: 1 }
  own.set(path, entry)
  if (!listens) {
    listens = true
    process.on('exit', () => {
      for (const { file } of own.values()) removeNow(file)
    })
  }
  try {
    for (let attempt = 1; ; attempt++) {
      await write(entry.file, { ...(await identity()), since: new Date().toISOString(), folder: await numberOf(path) })
      const other = await holderOf(path, name)
      if (!other) return lockOf(path, entry)
      removeNow(entry.file)
      const together = Math.abs(Date.now() - Date.parse(other.holder.since)) < 1000
      if (attempt === attempts || !together) throw inUse(folder, other)
      await new Promise((done) => setTimeout(done, 20 + Math.random() * 80))
    }
  } catch (cause) {
    own.delete(path)
    removeNow(entry.file)
    if (cause instanceof FileError) throw cause
    throw writeError(entry.file, cause as NodeJS.ErrnoException)
  }
}

/** The process that writes to a folder now; undefined where there is none. Of another machine none can tell whether it still runs. */
export async function folderHolder(folder: string): Promise<Holder | undefined> {
  return (await holderOf(folder, ''))?.holder
}

function lockOf(path: string, entry: { readonly file: string; count: number }): Lock {
  let held = true
  return {
    release() {
      if (!held) return
      held = false
      if (--entry.count > 0) return
      own.delete(path)
      removeNow(entry.file)
    },
  }
}

function removeNow(file: string): void {
  try {
    unlinkSync(file)
  } catch {
    // Gone with its folder, or it can be told to be stale later.
  }
}

interface Found {
  readonly file: string
  readonly holder: Holder
}

/** One that is alive; those of dead processes are removed on the way, where that is possible. */
async function holderOf(folder: string, except: string): Promise<Found | undefined> {
  const files = (await readdir(folder).catch(() => [])).filter((name) => pattern.test(name) && name !== except)
  if (files.length === 0) return undefined
  const number = await numberOf(folder)
  for (const name of files) {
    const file = join(folder, name)
    const holder = await read(file)
    // What cannot be read is no lock: each is renamed into place once it is whole.
    if (holder && holder.folder === number && (await lives(holder))) return { file, holder }
    if (except !== '') await unlink(file).catch(() => {})
  }
  return undefined
}

async function lives(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const started = await startOf(holder.pid)
  return started === undefined || holder.started === undefined || started === holder.started
}

let known: { readonly pid: number; readonly host: string; readonly started?: string } | undefined
async function identity(): Promise<{ readonly pid: number; readonly host: string; readonly started?: string }> {
  if (known?.pid === process.pid) return known
  const started = await startOf(process.pid)
  known = { pid: process.pid, host: hostname(), ...(started === undefined ? {} : { started }) }
  return known
}

/** Linux says it in /proc, in ticks since a boot that has a name; elsewhere `ps` does; Windows has neither. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1')
    // The name of the program, in brackets, may have spaces and brackets; the start is the 20th field after it.
    const ticks = text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1')
    return `${boot.trim()} ${ticks}`
  } catch {
    if (process.platform === 'linux' || process.platform === 'win32') return undefined
    return new Promise((done) => {
      execFile('ps', ['-o', 'lstart=', '-p', String(pid)], { env: { ...process.env, LC_ALL: 'C' } }, (error, out) =>
        done(error ? undefined : out.trim() || undefined),
      )
    })
  }
}

const numberOf = async (folder: string): Promise<string> => String((await stat(folder, { bigint: true })).ino)

async function write(file: string, holder: Holder): Promise<void> {
  await writeFile(`${file}.tmp`, `${JSON.stringify(holder)}\n`)
  await rename(`${file}.tmp`, file).catch(async (error) => {
    await unlink(`${file}.tmp`).catch(() => {})
    throw error
  })
}

async function read(file: string): Promise<Holder | undefined> {
  try {
    const holder = JSON.parse(await readFile(file, 'utf8')) as Holder
    return typeof holder.pid === 'number' && typeof holder.host === 'string' ? holder : undefined
  } catch {
    return undefined
  }
}

function inUse(folder: string, { file, holder }: Found): FileError {
  const here = holder.host === hostname()
  const who =
    here && holder.pid === process.pid
      ? 'another thread of this process'
      : `process ${holder.pid}${here ? '' : ` on ${holder.host}`}`
  return new FileError('lock', `${who} has been writing to ${folder} since ${holder.since}`, {
    hint: here
      ? 'Wait for its end, or name another folder.'
      : `Wait for its end, or name another folder. Whether it still runs cannot be seen from here: if it does not, remove ${file}.`,
  })
}
