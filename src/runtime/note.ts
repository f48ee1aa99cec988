/** @file Lines to the user on standard error; most are said once, however often there is reason to. */
const said = new Set<string>()

export function noteOnce(line: string): void {
  if (said.has(line)) return
  said.add(line)
  note(line)
}

export function note(line: string): void {
  // On a terminal a progress line may stand there: it is cleared, and drawn again by whoever drew it.
  const terminal = (globalThis as { process?: { stderr?: { isTTY?: boolean } } }).process?.stderr?.isTTY === true
  console.error(terminal ? `\r\u001b[K${line}` : line)
}
