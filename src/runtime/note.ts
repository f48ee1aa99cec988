/** @file Lines to the user on standard error (in browsers, on the console); most are said once, however often there is reason to. */
const said = new Set<string>()

export function noteOnce(line: string): void {
  if (said.has(line)) return
  said.add(line)
  note(line)
}

export function note(line: string): void {
  const { process } = globalThis as { process?: { stderr?: { isTTY?: boolean } } }
  // Where a console tells errors from news, this is news.
  if (!process?.stderr) {
    console.info(line)
    return
  }
  // On a terminal a progress line may stand there: it is cleared, and drawn again by whoever drew it.
  const terminal = process.stderr.isTTY === true
  console.error(terminal ? `\r\u001b[K${line}` : line)
}
