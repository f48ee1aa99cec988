/**
 * @file Dates as texts: which moment they mean, and the parts of it. In: a text such as '2024-02-29 13:30'. Out: milliseconds
 * since 1970 in UTC; year, month, day, weekday, hour. What names no zone counts as UTC, so that every machine reads the same.
 *
 * parseDate('29.02.2024')        // 1709164800000;  parseDate('30.02.2024') is undefined
 */

/** In which order day, month and year stand where slashes divide them: 02/03/2024 may be either. */
export type DateOrder = 'ymd' | 'dmy' | 'mdy'

const TIME = '(?:[T ](\\d{1,2}):(\\d{2})(?::(\\d{2})(?:[.,](\\d{1,9}))?)?\\s*(Z|UTC|[+-]\\d{2}:?\\d{2})?)?$'
const ISO = new RegExp(`^(\\d{4})([-/.])(\\d{1,2})\\2(\\d{1,2})${TIME}`, 'i')
const MONTH = /^(\d{4})-(\d{2})$/
const DOTS = new RegExp(`^(\\d{1,2})\\.(\\d{1,2})\\.(\\d{4})${TIME}`, 'i')
const SLASHES = new RegExp(`^(\\d{1,2})[/-](\\d{1,2})[/-](\\d{4})${TIME}`, 'i')

/**
 * The moment of a date, with or without a time: 2024-02-29, 2024/02/29 13:30, 2024-02-29T13:30:00+01:00, 2024-02, 29.02.2024, and
 * with an order 29/02/2024 (dmy) or 02/29/2024 (mdy). undefined for everything else, and for days there are not.
 */
export function parseDate(text: string, order: DateOrder = 'ymd'): number | undefined {
  const first = text.charCodeAt(0)
  if (!(first >= 48 && first <= 57)) return undefined
  const iso = ISO.exec(text)
  if (iso) return moment(iso[1]!, iso[3]!, iso[4]!, iso.slice(5))
  const month = MONTH.exec(text)
  if (month) return moment(month[1]!, month[2]!, '1', [])
  const dots = DOTS.exec(text)
  if (dots) return moment(dots[3]!, dots[2]!, dots[1]!, dots.slice(4))
  const slashes = order === 'ymd' ? null : SLASHES.exec(text)
  if (!slashes) return undefined
  const [, a, b, year] = slashes
  return order === 'dmy' ? moment(year!, b!, a!, slashes.slice(4)) : moment(year!, a!, b!, slashes.slice(4))
}

function moment(
  year: string,
  month: string,
  day: string,
  [hour = '0', minute = '0', second = '0', fraction = '', zone = '']: readonly (string | undefined)[],
): number | undefined {
  const [y, m, d, h, min, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(0)
  date.setUTCFullYear(y, m - 1, d)
  if (date.getUTCMonth() !== m - 1 || date.getUTCDate() !== d || h > 23 || min > 59 || s > 60) return undefined
  const offset = /^[+-]/.test(zone)
    ? Number(`${zone[0]}1`) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2)))
    : 0
  const milliseconds = Math.floor(Number(`0.${fraction || '0'}`) * 1000)
  return date.getTime() + ((h * 60 + min - offset) * 60 + s) * 1000 + milliseconds
}

/** What of a date a network gets. `since` is the time itself, all others are places on the calendar. */
export type DatePart = 'since' | 'year' | 'month' | 'day' | 'weekday' | 'hour'
export const dateParts: readonly DatePart[] = ['since', 'year', 'month', 'day', 'weekday', 'hour']

/** Where a moment stands in a round of the calendar, from 0 up to 1: month of the year, day of the month, day of the week, time of day. */
export function calendarShare(time: number, part: Exclude<DatePart, 'since' | 'year'>): number {
  const date = new Date(time)
  switch (part) {
    case 'month':
      return date.getUTCMonth() / 12
    case 'day':
      return (date.getUTCDate() - 1) / new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
    case 'weekday':
      return date.getUTCDay() / 7
    case 'hour':
      return (date.getUTCHours() + date.getUTCMinutes() / 60) / 24
  }
}

/** The first moment of the year. */
export function startOfYear(time: number): number {
  const start = new Date(0)
  start.setUTCFullYear(new Date(time).getUTCFullYear(), 0, 1)
  return start.getTime()
}
