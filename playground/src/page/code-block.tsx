/** @file A program to read and to take along. In: its text. Out: the text, and a button that copies it. */
import { useState } from 'preact/hooks'

/** Words with a colour of their own; everything else is as it is. */
const parts =
  /(\/\/.*$)|('[^']*')|\b(import|from|const|let|for|of|await|new|return|async|try|catch)\b|(\b\d[\d_.e-]*\b)/gm
const classes = ['comment', 'text', 'word', 'number']

function coloured(text: string) {
  const pieces: (string | { readonly kind: string; readonly text: string })[] = []
  let from = 0
  for (const match of text.matchAll(parts)) {
    pieces.push(text.slice(from, match.index))
    const group = match.slice(1).findIndex((one) => one !== undefined)
    pieces.push({ kind: classes[group]!, text: match[0] })
    from = match.index + match[0].length
  }
  pieces.push(text.slice(from))
  return pieces.map((piece, i) =>
    typeof piece === 'string' ? (
      piece
    ) : (
      <span key={i} class={`code-${piece.kind}`}>
        {piece.text}
      </span>
    ),
  )
}

export function CodeBlock({ text, title }: { readonly text: string; readonly title: string }) {
  const [said, say] = useState('Copy')
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => say('Copied'),
      () => say('Select it, and copy'),
    )
  return (
    <section class="code">
      <header>
        <h3>{title}</h3>
        <button type="button" onClick={copy} onBlur={() => say('Copy')} aria-live="polite">
          {said}
        </button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre tabIndex={0}>
        <code>{coloured(text)}</code>
      </pre>
    </section>
  )
}
