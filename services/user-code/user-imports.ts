import { registerHooks } from 'node:module';

const urls = new Map<string, string>();

/** Files of users find `specifier` at `url`, and zod, wherever they lie. */
export function resolveForUsers(specifier: string, url: string): void {
  if (urls.size === 0)
    registerHooks({
      resolve(wanted, context, next) {
        const known = urls.get(wanted);
        if (known !== undefined) return { url: known, shortCircuit: true };
        try {
          return next(wanted, context);
        } catch (error) {
          if (wanted === 'zod') return { url: import.meta.resolve('zod'), shortCircuit: true };
          throw error;
        }
      },
    });
  urls.set(specifier, url);
}
