/**
 * @file The part of JSON Schema (draft 2020-12) that settings are described in, and the check of a value against it. One description
 * serves the flags, configuration files and editors, so that they cannot differ.
 *
 * accepts({ type: 'integer', minimum: 1 }, 0.5)            // false
 */

/** What a value of a setting may be. */
export interface Schema {
  readonly type?: 'number' | 'integer' | 'string' | 'boolean' | 'array' | 'object'
  readonly enum?: readonly (string | number)[]
  readonly const?: string | number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly items?: Schema
  readonly minItems?: number
  readonly additionalProperties?: Schema
  readonly anyOf?: readonly Schema[]
  readonly description?: string
}

/** Whether a value, as JSON holds it, is one that the schema describes. */
export function accepts(schema: Schema, value: unknown): boolean {
  if (schema.anyOf && !schema.anyOf.some((one) => accepts(one, value))) return false
  if (schema.const !== undefined && value !== schema.const) return false
  if (schema.enum && !schema.enum.includes(value as string)) return false
  switch (schema.type) {
    case undefined:
      return true
    case 'integer':
      return Number.isInteger(value) && withinRange(schema, value as number)
    case 'number':
      return Number.isFinite(value) && withinRange(schema, value as number)
    case 'string': {
      if (typeof value !== 'string') return false
      // Characters, as JSON Schema counts them, not halves of them.
      const { length } = [...value]
      return length >= (schema.minLength ?? 0) && length <= (schema.maxLength ?? Number.POSITIVE_INFINITY)
    }
    case 'boolean':
      return typeof value === 'boolean'
    case 'array':
      return (
        Array.isArray(value) &&
        value.length >= (schema.minItems ?? 0) &&
        (schema.items === undefined || value.every((item) => accepts(schema.items!, item)))
      )
    case 'object':
      return (
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        (schema.additionalProperties === undefined ||
          Object.values(value).every((item) => accepts(schema.additionalProperties!, item)))
      )
  }
}

const withinRange = (schema: Schema, value: number): boolean =>
  value >= (schema.minimum ?? Number.NEGATIVE_INFINITY) &&
  value <= (schema.maximum ?? Number.POSITIVE_INFINITY) &&
  value > (schema.exclusiveMinimum ?? Number.NEGATIVE_INFINITY) &&
  value < (schema.exclusiveMaximum ?? Number.POSITIVE_INFINITY)
