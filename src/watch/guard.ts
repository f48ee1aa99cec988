/**
 * @file Who may ask the run page's server. In: a request. Out: nothing, or why it is refused.
 *
 * Any page of the web can send requests to 127.0.0.1 from the browser of whoever trains. A foreign name that resolves to
 * 127.0.0.1 (DNS rebinding) shows in the Host header, a request of another site in Origin and Sec-Fetch-Site.
 */
import type { IncomingMessage } from 'node:http'

/** A status of HTTP and a sentence. */
export interface Refusal {
  readonly status: number
  readonly reason: string
}

/** Of every answer: the page may load nothing but its own files, nobody may frame it, or read it from another site. */
export const securityHeaders: { readonly [name: string]: string } = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
}

/** Names of this machine to itself; the port may be another where it was forwarded (ssh -L). */
const ownHost = /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i

/** What is wrong with a request, if anything. */
export function refusal(request: IncomingMessage): Refusal | undefined {
  const { host, origin } = request.headers
  if (host === undefined || !ownHost.test(host))
    return { status: 403, reason: 'Refused: the Host header is not this machine (127.0.0.1 or localhost).' }
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`)
    return { status: 403, reason: 'Refused: the request comes from another site.' }
  const site = request.headers['sec-fetch-site']
  // 'none': typed in, or opened from a terminal.
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return { status: 403, reason: 'Refused: the request comes from another site. Type the address into the browser.' }
  if (request.method !== 'GET') return { status: 405, reason: 'Only GET is answered.' }
  if (!plainPath(request.url)) return { status: 400, reason: 'Refused: that is no path of this server.' }
  return undefined
}

/** All paths of the server are plain: no encoded letters, no dots at the beginning of a name, no address of another server. */
function plainPath(url: string | undefined): boolean {
  const path = url?.split('?')[0]
  return path !== undefined && /^\/[\w.\-/]*$/.test(path) && !/\/[./]/.test(path)
}
