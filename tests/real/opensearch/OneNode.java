import org.codelibs.opensearch.runner.OpenSearchRunner;

/**
 * One OpenSearch node in this process: OneNode FOLDER HTTP_PORT TRANSPORT_PORT. Ends with the process. The environment variable
 * SEARCH_PROPERTIES has further settings, a line `name: value` each.
 */
public final class OneNode {
  public static void main(String[] args) throws Exception {
    String folder = args[0];
    String httpPort = args[1];
    String transportPort = args[2];
    OpenSearchRunner runner = new OpenSearchRunner();
    // The runner looks for a free port in a range of its own and gives the node every role: say both ourselves.
    runner.setMaxHttpPort(65535);
    runner.onBuild((number, settings) -> {
      settings.put("network.host", "127.0.0.1");
      settings.put("http.port", httpPort);
      settings.put("transport.port", transportPort);
      settings.put("discovery.type", "single-node");
      settings.putList("node.roles", "cluster_manager", "data", "ingest");
      // A machine whose disk is nearly full must not make the indices read-only.
      settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
      for (String line : System.getenv().getOrDefault("SEARCH_PROPERTIES", "").split("\n")) {
        String[] setting = line.split(": ", 2);
        if (setting.length == 2) {
          settings.put(setting[0], setting[1]);
        }
      }
    });
    runner.build(OpenSearchRunner.newConfigs().basePath(folder).numOfNode(1).baseHttpPort(Integer.parseInt(httpPort) - 1));
    Thread.currentThread().join();
  }
}
