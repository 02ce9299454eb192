export interface LoadedVersion {
  readonly version: bigint;
  readonly weightsPath: string;
}

export interface WantedVersion {
  /** What every engine has to serve; undefined until somebody has loaded or an engine tells. */
  current(): LoadedVersion | undefined;
  /** An engine serves this. The newest of all is the wanted one: a gateway that was restarted has nobody else to ask. */
  learn(version: bigint, weightsPath: string): void;
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
    learn(version, weightsPath) {
      // Without a path the weights are those that the engine was started with, which nobody else can load.
      if (weightsPath !== '' && version > (current?.version ?? 0n)) set({ version, weightsPath });
    },
    set,
  };
}
