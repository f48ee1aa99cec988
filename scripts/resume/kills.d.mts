export interface VictimOptions {
  readonly engine?: string
  readonly threads?: number
  readonly after?: number
  readonly call?: number
  readonly log?: string
}
export function victimOf(
  folder: string | undefined,
  options?: VictimOptions,
): Promise<{
  readonly killed: boolean
  readonly line: string | undefined
  readonly errors: string
  readonly time: number
}>
