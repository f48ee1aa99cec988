/**
 * @file A process of its own: compiles the C text in the file that is its argument into the cache, after that of the
 * pool of threads which it may call, and removes the file.
 * Started by compileInBackground; nothing imports it.
 */
import { readFileSync, rmSync } from 'node:fs'
import { compileC } from './native-compiler.js'
import { poolSource } from './native-pool.js'

const source = process.argv[2]
if (source) {
  try {
    compileC(poolSource)
    compileC(readFileSync(source, 'utf8'))
  } finally {
    rmSync(source, { force: true })
  }
}
