export interface LoadedVersion {
  readonly version: bigint;
  readonly weightsPath: string;
  /** What engines check the weights against; empty is not checked. */
  readonly weightsDigest: string;
}

export interface WantedVersion {
  /** What every engine has to serve; undefined until somebody has loaded or an engine reports one. */
  current(): LoadedVersion | undefined;
  /** An engine serves this. The newest of all is the wanted one: a gateway that was restarted has nobody else to ask. */
  learn(loaded: LoadedVersion): void;
  set(loaded: LoadedVersion): void;
}

export function createWantedVersion(onChange: (loaded: LoadedVersion) => void): WantedVersion {
  let current: LoadedVersion | undefined;
  const set = (loaded: LoadedVersion): void => {
    current = loaded;
    onChange(loaded);
  };
  return {
    current: () => current,
    learn(loaded) {
      // Without a path the weights are those that the engine was started with, which nobody else can load.
      if (loaded.weightsPath !== '' && loaded.version > (current?.version ?? 0n)) set(loaded);
    },
    set,
  };
}
