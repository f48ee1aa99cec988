/**
 * @file Decoding JPEG files by the library @jsquash/jpeg (mozjpeg as WebAssembly), which is loaded when first needed. In: the bytes of
 * a file. Out: pixels, RGB and opacity. Baseline and progressive; pictures of cameras that lie on their side are turned upright.
 * What mozjpeg only warns of, data that end early or cannot be, is an error here.
 *
 * const { data } = await decodeJpeg(bytes, imageHeader(bytes, 'cat.jpg'), 'cat.jpg')
 */
import { FileError } from '../base/errors.js'
import { type WasmModule, webAssembly } from '../emit/wasm/host.js'
import { damaged, type ImageHeader } from './image-header.js'
import type { Pixels } from './image-png.js'

/** What of the library is used; its own types are those of browsers. */
interface Library {
  readonly init: (module: WasmModule, options: { printErr(text: string): void }) => Promise<unknown>
  readonly default: (
    bytes: Uint8Array,
    options: { readonly preserveOrientation: boolean },
  ) => Promise<{ readonly width: number; readonly height: number; readonly data: Uint8ClampedArray }>
}

let loaded: Promise<Library['default']> | undefined
/** What the decoder has said since it was last asked. */
let said: string[] = []
/** Files may have this between their parts: every viewer goes on. */
const harmless =
  /extraneous bytes before marker|Unknown Adobe color transform|Inconsistent progression|Warning: unknown JFIF/

/** Throws FileError for what is damaged, or of a kind that the decoder does not know. `header` is what `imageHeader` found. */
export async function decodeJpeg(bytes: Uint8Array, header: ImageHeader, source: string): Promise<Pixels> {
  if (header.channels === 4)
    throw new FileError(source, 'the JPEG has the four inks of a printer (CMYK), not colours of a screen', {
      hint: "Save it as RGB, or leave such files out (onError: 'skip', --skip-damaged).",
    })
  const decode = await load(source)
  said = []
  let image: Awaited<ReturnType<typeof decode>>
  try {
    image = await decode(bytes, { preserveOrientation: true })
  } catch (cause) {
    // The decoder may have stopped in the middle of anything: the next file gets a new one.
    loaded = undefined
    throw damaged(source, firstFault() ?? 'its pixels cannot be decoded', cause)
  }
  const fault = firstFault()
  if (fault) throw damaged(source, fault)
  const { width, height, data } = image
  return { width, height, channels: 4, data }
}

const firstFault = (): string | undefined => said.find((text) => text.trim() !== '' && !harmless.test(text))

function load(source: string): Promise<Library['default']> {
  loaded ??= instantiate().catch((cause: unknown) => {
    loaded = undefined
    throw new FileError(source, 'JPEG files are read by the package @jsquash/jpeg, which is not installed', {
      cause,
      hint: 'npm install @jsquash/jpeg@1.6.0',
    })
  })
  return loaded
}

let module: WasmModule | undefined

async function instantiate(): Promise<Library['default']> {
  const { createRequire } = await import('node:module')
  const { readFile } = await import('node:fs/promises')
  if (!module) {
    const path = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm')
    module = new webAssembly.Module(await readFile(path))
  }
  // The name is no literal, so that bundlers for browsers, which have decoders of their own, do not look for it.
  const name: string = '@jsquash/jpeg/decode.js'
  const library = (await import(/* @vite-ignore */ name)) as Library
  await library.init(module, { printErr: (text) => void said.push(text) })
  return library.default
}
