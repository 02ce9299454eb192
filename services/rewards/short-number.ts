/** A number for people: six significant digits, `absent` where there is none. */
export function shortNumber(value: number | undefined): string {
  return value === undefined ? 'absent' : `${Number(value.toPrecision(6)) + 0}`;
}
