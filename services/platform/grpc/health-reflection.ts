/** The standard health and reflection services, so that grpcurl, probes and load balancers work with every service. */
import { toBinary } from '@bufbuild/protobuf';
import type { DescFile, DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, service as healthService } from 'grpc-health-check';

/** Every file that the service needs to be understood, each once. */
function filesOf(services: readonly DescService[]): DescFile[] {
  const files = new Map<string, DescFile>();
  function visit(file: DescFile): void {
    if (files.has(file.name)) return;
    files.set(file.name, file);
    file.dependencies.forEach(visit);
  }
  for (const service of services) visit(service.file);
  return [...files.values()];
}

export function addReflection(server: Server, services: readonly DescService[]): void {
  const descriptors = filesOf(services).map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  const healthDescriptors = Object.values(healthService).flatMap((method) => [
    ...('requestType' in method ? method.requestType.fileDescriptorProtos : []),
    ...('responseType' in method ? method.responseType.fileDescriptorProtos : []),
  ]);
  const format = 'Protocol Buffer 3 EnumDescriptorProto' as const;
  // The package reads only the encoded files of each entry; they come from the generated code, so what a client is
  // reported is exactly the contract, and no .proto file has to be shipped.
  const packageDefinition = {
    gradus: { format, type: {}, fileDescriptorProtos: descriptors },
    health: { format, type: {}, fileDescriptorProtos: healthDescriptors },
  };
  const names = [...services.map((service) => service.typeName), 'grpc.health.v1.Health'];
  new ReflectionService(packageDefinition, { services: names }).addToServer(server);
}

export interface Health {
  setServing(serving: boolean): void;
}

/** SERVING as long as the process answers at all: for probes that restart, where the other names are for those that route. */
export const livenessName = 'liveness';

/** Health of the whole server (`''`) and of each service by name; NOT_SERVING until it is set otherwise. */
export function addHealth(server: Server, services: readonly DescService[]): Health {
  const names = ['', ...services.map((service) => service.typeName)];
  const health = new HealthImplementation({
    ...Object.fromEntries(names.map((name) => [name, 'NOT_SERVING' as const])),
    [livenessName]: 'SERVING',
  });
  health.addToServer(server);
  return {
    setServing(serving) {
      for (const name of names) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    },
  };
}
