/**
 * @file The part of the WebAssembly JavaScript interface that Gradus uses. The language's own library does not declare
 * it (browsers' and Node's typings do, differently), and the published types must not depend on either.
 */
export interface WasmMemory {
  /** A SharedArrayBuffer if the memory is shared. Growing detaches the old one. */
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}
/** Compiled code. */
export interface WasmModule {
  readonly [Symbol.toStringTag]?: 'WebAssembly.Module'
}
export interface WasmInstance {
  readonly exports: { readonly [name: string]: unknown }
}
export interface WebAssemblyHost {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => WasmModule
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly [module: string]: { readonly [name: string]: unknown } },
  ) => WasmInstance
  readonly Memory: new (limits: { initial: number; maximum?: number; shared?: boolean }) => WasmMemory
}

export const webAssembly = (globalThis as unknown as { readonly WebAssembly: WebAssemblyHost }).WebAssembly
