/** Making a format takes a hundred times as long as using it. */
export function kept<Made>(): (key: string, make: () => Made) => Made {
  const formats = new Map<string, Made>();
  return (key, make) => {
    const known = formats.get(key) ?? make();
    formats.set(key, known);
    return known;
  };
}
