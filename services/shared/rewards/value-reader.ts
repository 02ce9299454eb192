/** Values for `composeTotal`: a detector that is not there gave 0, a component that is not there is absent. */
export function valueReader(
  weighted: readonly { readonly name: string }[],
  components: Readonly<Record<string, number>>,
  detectors: Readonly<Record<string, number>>,
): (name: string) => number | undefined {
  const isComponent = new Set(weighted.map(({ name }) => name));
  return (name) => components[name] ?? (isComponent.has(name) ? undefined : (detectors[name] ?? 0));
}
