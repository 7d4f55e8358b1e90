import { type ComponentChildren, type ComponentProps, createContext } from "preact";
import { useContext, useId, useRef } from "preact/hooks";
import { Failure } from "../api.ts";
import { t } from "../i18n.ts";
import { useAction } from "../load.ts";
import { FailureNote, RequestId, wordsOf } from "./failure.tsx";

const FailedField = createContext<Failure | null>(null);

type FormProps = {
  readonly submit: string;
  /** What it does cannot be undone. */
  readonly isDangerous?: boolean;
  readonly save: (data: FormData, form: HTMLFormElement) => Promise<unknown>;
  readonly children: ComponentChildren;
  /** Beside the button. */
  readonly aside?: ComponentChildren;
  readonly onDone?: () => void;
  readonly class?: string;
  readonly label?: string;
};

/** A form whose refusal stands next to the field that it concerns, else above the button. */
export function Form({
  submit,
  isDangerous = false,
  save,
  children,
  aside,
  onDone,
  label,
  class: name = "",
}: FormProps) {
  const saving = useAction(save);
  const element = useRef<HTMLFormElement>(null);
  const { failure } = saving;
  const isOfField =
    failure instanceof Failure &&
    failure.field !== null &&
    element.current?.elements.namedItem(failure.field) !== null;
  async function submitted(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget;
    if (!(form instanceof HTMLFormElement)) return;
    if (await saving.run(new FormData(form), form)) onDone?.();
    else form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }
  return (
    <form ref={element} class={`form ${name}`} onSubmit={submitted} aria-label={label}>
      <FailedField.Provider value={isOfField ? failure : null}>{children}</FailedField.Provider>
      {!isOfField && <FailureNote error={failure} />}
      <div class="form-end">
        <button
          type="submit"
          class={isDangerous ? "danger" : "primary"}
          aria-busy={saving.isRunning}
          disabled={saving.isRunning}
        >
          {submit}
        </button>
        {aside}
      </div>
    </form>
  );
}

type FieldProps = {
  readonly name: string;
  readonly label: string;
  readonly type?: "text" | "email" | "password" | "search" | "tel" | "url" | "date" | "number" | "color";
  readonly value?: string | undefined;
  readonly hint?: string | undefined;
  readonly required?: boolean;
  readonly autoComplete?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly min?: number;
  readonly rows?: number;
  readonly placeholder?: string;
  readonly onInput?: (value: string) => void;
};

/** A labelled input; with `rows` one of several lines. */
export function Field({ name, label, type = "text", value, hint, rows, onInput, ...more }: FieldProps) {
  const id = useId();
  const failed = useContext(FailedField);
  const wrong = failed?.field === name;
  const described = wrong ? `${id}-wrong` : hint === undefined ? undefined : `${id}-hint`;
  const input = {
    ...more,
    id,
    name,
    defaultValue: value ?? "",
    "aria-invalid": wrong,
    "aria-describedby": described,
    onInput: (event: { readonly currentTarget: { readonly value: string } }) =>
      onInput?.(event.currentTarget.value),
  };
  return (
    <div class="field">
      <label for={id}>
        {label}
        {more.required !== true && type !== "search" && <span class="optional"> {t("optional")}</span>}
      </label>
      {rows === undefined ? <input {...typed(type, input)} /> : <textarea rows={rows} {...input} />}
      {wrong ? (
        <p class="field-wrong" id={`${id}-wrong`} role="alert">
          {wordsOf(failed)} <RequestId of={failed} />
        </p>
      ) : (
        hint !== undefined && (
          <p class="field-hint" id={`${id}-hint`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}

// Preact's types know an own set of attributes for each kind of input, and no union of kinds.
const typed = (type: string, input: object) => ({ ...input, type }) as ComponentProps<"input">;

type SelectProps = {
  readonly name: string;
  readonly label: string;
  readonly value?: string | undefined;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly onChange?: (value: string) => void;
};

export function Select({ name, label, value, options, onChange }: SelectProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} name={name} onChange={(event) => onChange?.(event.currentTarget.value)}>
        {options.map(([option, text]) => (
          <option key={option} value={option} selected={option === (value ?? "")}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** What a form's field says, without blanks around it. */
export const textOf = (data: FormData, name: string): string => {
  const value = data.get(name);
  return typeof value === "string" ? value.trim() : "";
};

/** As it was typed: a password may begin with a blank. */
export const rawOf = (data: FormData, name: string): string => {
  const value = data.get(name);
  return typeof value === "string" ? value : "";
};
