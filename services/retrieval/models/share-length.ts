/**
 * How many tokens of two texts stay when both may have `room` together: the longer gives first, then both alike, and of
 * an odd number the longer gets one more (`longest_first` of the tokenizers library).
 */
export function shareLength(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const keptShorter = Math.min(shorter, Math.floor(room / 2));
  const keptLonger = room - keptShorter;
  return first > second ? [keptLonger, keptShorter] : [keptShorter, keptLonger];
}
