/** @file Fields of forms: a label, a control, its value. In: a value and what to do with another. Out: the row. */
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

export function Choice<T extends string | number>(props: {
  readonly label: string
  readonly value: T
  readonly options: readonly (readonly [T, string])[]
  readonly disabled?: boolean
  readonly onChange: (value: T) => void
}) {
  const id = useId()
  const { label, value, options, disabled, onChange } = props
  const all = options.some(([one]) => one === value) ? options : [...options, [value, String(value)] as const]
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        disabled={disabled}
        value={String(value)}
        onChange={(event) => {
          const chosen = all.find(([one]) => String(one) === event.currentTarget.value)
          if (chosen) onChange(chosen[0])
        }}
      >
        {all.map(([one, text]) => (
          <option key={one} value={String(one)}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
}

export function Slider(props: {
  readonly label: string
  readonly value: number
  readonly from: number
  readonly to: number
  readonly step: number
  readonly text?: string
  readonly onChange: (value: number) => void
}) {
  const id = useId()
  const { label, value, from, to, step, text, onChange } = props
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="range"
        min={from}
        max={to}
        step={step}
        value={value}
        aria-valuetext={text ?? String(value)}
        onChange={(event) => onChange(Number(event.currentTarget.value))}
      />
      <output for={id}>{text ?? value}</output>
    </div>
  )
}

export function Group({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <fieldset>
      <legend>{title}</legend>
      {children}
    </fieldset>
  )
}
