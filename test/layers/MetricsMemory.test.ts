import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import { metricsContract } from "../contract/Metrics.ts"

metricsContract("MetricsMemory", MetricsMemory.layer)
