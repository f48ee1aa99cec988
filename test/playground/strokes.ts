/** Ten digits as somebody draws them: lines of places, in percent of the pad. Off its middle and of several sizes. */
type Line = readonly (readonly [number, number])[]

/** Places on an ellipse, by degrees from the right, clockwise. */
const arc = (x: number, y: number, rx: number, ry: number, from: number, to: number): Line =>
  Array.from({ length: 25 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / 24) * Math.PI) / 180
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)] as const
  })

export const strokes: readonly (readonly Line[])[] = [
  [arc(45, 48, 18, 30, -80, 290)],
  [
    [
      [52, 20],
      [48, 80],
    ],
  ],
  [[...arc(50, 34, 18, 16, -170, 40), [34, 76], [72, 76]]],
  [[...arc(46, 32, 17, 15, -150, 80), ...arc(46, 64, 20, 18, -80, 150)]],
  [
    [
      [38, 18],
      [30, 52],
      [68, 52],
    ],
    [
      [60, 22],
      [58, 84],
    ],
  ],
  [[[66, 20], [38, 20], [35, 46], ...arc(48, 61, 19, 17, -110, 140)]],
  [[[58, 16], [42, 36], ...arc(50, 62, 17, 18, 190, 550)]],
  [
    [
      [28, 22],
      [70, 22],
      [46, 82],
    ],
  ],
  [[...arc(50, 33, 14, 15, 90, -270), ...arc(50, 65, 17, 17, -90, 270)]],
  [[...arc(48, 36, 16, 17, 0, -350), [64, 38], [60, 84]]],
]
