/** @file Colours of drawings: the two classes, the two trainings, ink; light and dark. Blue and orange are told apart by everybody. */
export interface Palette {
  /** Of class 0 and 1: red, green, blue. */
  readonly classes: readonly [readonly [number, number, number], readonly [number, number, number]]
  readonly ground: readonly [number, number, number]
  readonly ink: string
  readonly faint: string
  readonly grid: string
  /** Of the trainings a and b, of paths. */
  readonly lines: readonly string[]
}

const light: Palette = {
  classes: [
    [11, 98, 196],
    [214, 96, 16],
  ],
  ground: [255, 255, 255],
  ink: '#1b2029',
  faint: '#566072',
  grid: '#e4e8ee',
  lines: ['#0b62c4', '#c2410c', '#0d7a55', '#9333a8', '#806000'],
}
const dark: Palette = {
  classes: [
    [86, 164, 255],
    [255, 150, 74],
  ],
  ground: [23, 27, 34],
  ink: '#e6eaf0',
  faint: '#a3acba',
  grid: '#2b323d',
  lines: ['#6cb2ff', '#ff9f5a', '#4fd6a2', '#dd9bf0', '#e8c547'],
}
export const paletteOf = (isDark: boolean): Palette => (isDark ? dark : light)
export const rgb = ([r, g, b]: readonly [number, number, number]): string => `rgb(${r} ${g} ${b})`
