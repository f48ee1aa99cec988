/**
 * @file A file of lines that grows while something runs, written now and then beside it. Node only. In: lines. Out: a file whose lines are whole
 * but for the last one, after whatever end; that one goes when the file is opened again.
 *
 * const file = await EventFile.open('runs/a/events.jsonl'); file.append('{"kind":"start",...}\n'); await file.close()
 */
import { writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { writeError } from './atomic.js'

/** Lines wait so long, or until there are so many characters. */
const [longestWait, mostWaiting] = [1000, 1 << 16]
/** Where a disk stays full, lines are given up beyond this. */
const mostHeld = 1 << 24
const newline = 10

export class EventFile {
  readonly path: string
  readonly #file: FileHandle
  /** Where the next byte goes. */
  #end: number
  #waiting: string[] = []
  #characters = 0
  /** Bytes that are being written at `#end`. */
  #underway: Buffer | undefined
  #writing: Promise<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #closed = false
  readonly #atExit = () => this.#writeNow()

  private constructor(path: string, file: FileHandle, end: number) {
    this.path = path
    this.#file = file
    this.#end = end
    process.on('exit', this.#atExit)
  }

  /** Makes the file, or goes on with it after its last whole line. Throws FileError. */
  static async open(path: string): Promise<EventFile> {
    try {
      const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return open(path, 'wx+')
        throw error
      })
      const { size } = await file.stat()
      const end = await endOfLines(file, size)
      if (end < size) await file.truncate(end)
      return new EventFile(path, file, end)
    } catch (cause) {
      throw writeError(path, cause as NodeJS.ErrnoException)
    }
  }

  /** Takes a line, which is written within a second or so. Never throws: `flush` does. */
  append(line: string): void {
    if (this.#closed) return
    if (this.#characters < mostHeld) {
      this.#waiting.push(line)
      this.#characters += line.length
    }
    if (this.#characters >= mostWaiting) void this.flush().catch(() => {})
    else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => void this.flush().catch(() => {}), longestWait)
      // Nobody should wait for the end of a process because of a line, which is written when it ends.
      this.#timer.unref()
    }
  }

  /** Writes what waits. Throws FileError (disk full); the lines are kept, and tried again at the next call. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    // One at a time: lines that come meanwhile are of the next round.
    while (this.#writing) await this.#writing
    if (this.#waiting.length === 0 && !this.#underway) return
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
    })
    await this.#writing
  }

  /** Writes what waits, and has the system put it on the disk. */
  async sync(): Promise<void> {
    await this.flush()
    await this.#file.datasync().catch((cause) => {
      throw writeError(this.path, cause)
    })
  }

  /** Writes what waits and closes the file, also where that fails. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    process.off('exit', this.#atExit)
    try {
      await this.flush()
    } finally {
      clearTimeout(this.#timer)
      await this.#file.close().catch(() => {})
    }
  }

  async #write(): Promise<void> {
    this.#take()
    const bytes = this.#underway!
    try {
      // Each at its own place: what a full disk has cut short is written over by the next attempt.
      for (let at = 0; at < bytes.length; )
        at += (await this.#file.write(bytes, at, bytes.length - at, this.#end + at)).bytesWritten
    } catch (cause) {
      // Readers should not find half a line.
      await this.#file.truncate(this.#end).catch(() => {})
      throw writeError(this.path, cause as NodeJS.ErrnoException)
    }
    this.#end += bytes.length
    this.#underway = undefined
  }

  #take(): void {
    const text = Buffer.from(this.#waiting.join(''))
    this.#underway = this.#underway ? Buffer.concat([this.#underway, text]) : text
    this.#waiting = []
    this.#characters = 0
  }

  /** At the end of the process nothing else can be waited for. */
  #writeNow(): void {
    this.#take()
    const bytes = this.#underway!
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file.fd, bytes, at, bytes.length - at, this.#end + at)
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** The byte after the last end of a line. */
async function endOfLines(file: FileHandle, size: number): Promise<number> {
  const piece = Buffer.allocUnsafe(1 << 16)
  for (let to = size; to > 0; ) {
    const from = Math.max(0, to - piece.length)
    const { bytesRead } = await file.read(piece, 0, to - from, from)
    const at = piece.subarray(0, bytesRead).lastIndexOf(newline)
    if (at >= 0) return from + at + 1
    to = from
  }
  return 0
}
