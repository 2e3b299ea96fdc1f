import * as DataDirectoryMemory from "../../src/layers/DataDirectoryMemory.ts"
import { dataDirectoryContract } from "../contract/DataDirectory.ts"

dataDirectoryContract("DataDirectoryMemory", DataDirectoryMemory.layer())
