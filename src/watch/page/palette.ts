/**
 * @file Colours of runs: the eight of the library's charts, light and dark, told apart with the common kinds of colour blindness
 * by their lightness too. A run keeps its colour as long as it is shown.
 */

/** On a light ground, on a dark ground. */
const colours: readonly (readonly [string, string])[] = [
  ['#0b62c4', '#6cb2ff'],
  ['#c2410c', '#ff9f5a'],
  ['#0d7a55', '#4fd6a2'],
  ['#9333a8', '#dd9bf0'],
  ['#806000', '#e8c547'],
  ['#0e7490', '#5ed3e8'],
  ['#b8245c', '#ff93b5'],
  ['#4b5563', '#b6bfcb'],
]
const places = new Map<string, number>()

/** The places that few of the runs shown have come first. */
export function keepColours(shown: readonly string[]): void {
  for (const name of places.keys()) if (!shown.includes(name)) places.delete(name)
  for (const name of shown) {
    if (places.has(name)) continue
    const uses = colours.map((_, i) => [...places.values()].filter((place) => place === i).length)
    places.set(name, uses.indexOf(Math.min(...uses)))
  }
}

export const colourOf = (name: string, dark: boolean): string => colourAt(places.get(name) ?? 7, dark)
export const colourAt = (i: number, dark: boolean): string => colours[i % colours.length]![dark ? 1 : 0]

/** Layers from the first to the last: from blue over green to yellow, as lightness goes. */
export function depthColour(i: number, count: number, dark: boolean): string {
  const t = count > 1 ? i / (count - 1) : 0
  return `hsl(${Math.round(255 - 215 * t)} ${dark ? 75 : 70}% ${dark ? Math.round(66 + 6 * t) : Math.round(45 - 9 * t)}%)`
}

/** Of charts: text, grid. */
export const inks = (dark: boolean) =>
  dark ? { text: '#a3acba', grid: '#242a34' } : { text: '#5b6472', grid: '#e9ecf1' }
