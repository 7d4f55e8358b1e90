type Props = {
  readonly legend: string;
  readonly name: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly chosen: readonly string[];
};

export function CheckList({ legend, name, options, chosen }: Props) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      <div class="checks">
        {options.map(([value, text]) => (
          <label key={value} class="check">
            <input type="checkbox" name={name} value={value} defaultChecked={chosen.includes(value)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

export const chosenOf = (data: FormData, name: string): string[] => data.getAll(name).map(String);
