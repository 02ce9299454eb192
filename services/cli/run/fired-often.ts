const least = 0.01;

/** `candidate_list 12.5 %`: detectors of reward hacking that fired in more than 1 % of rollouts, the most frequent first. */
export function firedOften(shares: Readonly<Record<string, number>>): string[] {
  return Object.entries(shares)
    .filter(([, share]) => share > least)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, share]) => `${name} ${(share * 100).toFixed(1)} %`);
}
