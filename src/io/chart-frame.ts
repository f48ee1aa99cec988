/**
 * @file What all charts share: the SVG document, its colours for light and dark pages, text measured without a font.
 * In: a title and drawn parts. Out: SVG text.
 */

/** [on light, on dark]: contrast of at least 4.5 on its background, and told apart by colour-blind readers in this order. */
const palette = [
  ['#0b62c4', '#6cb2ff'],
  ['#c2410c', '#ff9f5a'],
  ['#0d7a55', '#4fd6a2'],
  ['#9333a8', '#dd9bf0'],
  ['#806000', '#e8c547'],
  ['#0e7490', '#5ed3e8'],
  ['#b8245c', '#ff93b5'],
  ['#4b5563', '#b6bfcb'],
] as const

/** How many colours there are; further series begin again. */
export const COLORS = palette.length

export interface FrameOptions {
  readonly title: string
  /** One sentence for those who cannot see the picture. */
  readonly about: string
  readonly width: number
  readonly height: number
  readonly body: readonly string[]
}

/** The document: title, description, style sheet, background, heading, body. */
export function frame({ title, about, width, height, body }: FrameOptions): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escapeText(title)}</title>
<desc>${escapeText(about)}</desc>
<style>${style}</style>
<rect class="page" width="${width}" height="${height}" rx="6"/>
<text class="title" x="24" y="30">${escapeText(shorten(title, Math.floor((width - 48) / 8.2)))}</text>
${body.join('\n')}
</svg>
`
}

export function escapeText(text: string): string {
  // Control characters are not allowed in XML at all.
  const clean = [...text].filter((c) => c >= ' ' || c === '\n' || c === '\t').join('')
  return clean.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}

/** An upper estimate of a text's width in pixels: sans-serif letters are about 0.6 em wide, CJK characters 1 em. */
export function textWidth(text: string, fontSize: number): number {
  let em = 0
  for (const c of text) em += /[ilj.,:;'|!\s]/.test(c) ? 0.36 : /[mwMW@%]/.test(c) || c > '\u2e80' ? 1 : 0.62
  return Math.ceil(em * fontSize)
}

export function shorten(text: string, most: number): string {
  const characters = [...text]
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : text
}

/** To a tenth of a pixel: keeps files small. */
export function round(value: number): number {
  return Math.round(value * 10) / 10
}

function rules(on: 0 | 1): string {
  const [page, ink, faint, grid] =
    on === 0 ? ['#ffffff', '#1f2430', '#5b6472', '#e5e8ee'] : ['#14171d', '#e8ebf1', '#a3acba', '#2a2f3a']
  return [
    `.page{fill:${page}}`,
    `.title,.name{fill:${ink}}`,
    `.label,.tick,.note{fill:${faint}}`,
    `.grid{stroke:${grid}}`,
    `.axis,.mark{stroke:${faint}}.whisker{stroke:${ink}}`,
    ...palette.map((pair, i) => `.stroke${i}{stroke:${pair[on]}}.fill${i}{fill:${pair[on]}}`),
  ].join('')
}

const style = [
  'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:12px}',
  '.title{font-size:16px;font-weight:600}.label{font-size:13px}.note{font-size:11px}.tick{font-variant-numeric:tabular-nums}',
  '.grid,.axis{stroke-width:1}.mark{stroke-width:1;stroke-dasharray:2 3}.whisker{stroke-width:1.2;fill:none}',
  '.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}',
  rules(0),
  `@media (prefers-color-scheme:dark){${rules(1)}}`,
].join('')
