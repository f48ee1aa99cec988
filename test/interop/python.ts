/**
 * @file A Python that has certain packages: the one that a variable of the environment names, or python3 if it has them all. In: the
 * variable, the packages. Out: a path, or undefined with a line that says what is left out; where GRADUS_INTEROP is 'required', an error.
 *
 * const python = pythonWith('GRADUS_TORCH_PYTHON', ['torch', 'safetensors'], 'round trips with PyTorch')
 */
import { spawnSync } from 'node:child_process'

/** Asks without importing them, which would take seconds. */
const question = 'import sys, importlib.util as u; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])'

export function pythonWith(variable: string, packages: readonly string[], what: string): string | undefined {
  const named = process.env[variable]
  const python = named || 'python3'
  const { status, stdout, error } = spawnSync(python, ['-c', question, ...packages], { encoding: 'utf8' })
  if (status === 0 && stdout.trim() === '') return python
  const reason =
    error || status !== 0 ? `${python} does not run` : `${python} has no ${stdout.trim().replaceAll(' ', ', ')}`
  if (process.env['GRADUS_INTEROP'] === 'required' || (named && (error || status !== 0)))
    throw new Error(`${what}: ${reason} (${variable})`)
  console.log(`Left out: ${what}, since ${reason}; ${variable} may name another Python (scripts/interop/README.md).`)
  return undefined
}
