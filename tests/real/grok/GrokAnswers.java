import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.grok.Grok;
import org.elasticsearch.grok.GrokBuiltinPatterns;
import org.elasticsearch.grok.MatcherWatchdog;

/**
 * Asks Elasticsearch's grok library. A question is a line: ecs_compatibility, pattern and text with tabs between; the
 * answer is "-" for no match, "+" with the captures in the order of their names, or "!" and what was thrown.
 */
public class GrokAnswers {
    public static void main(String[] args) throws Exception {
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
        MatcherWatchdog watchdog = MatcherWatchdog.newInstance(100, 1000, System::currentTimeMillis,
            (delay, task) -> clock.schedule(task, delay, TimeUnit.MILLISECONDS));
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        Map<String, Grok> groks = new HashMap<>();
        for (String question = questions.readLine(); question != null; question = questions.readLine()) {
            String[] parts = question.split("\t", -1);
            answers.println(answer(groks, watchdog, parts[0], unescape(parts[1]), unescape(parts[2])));
        }
        answers.flush();
    }

    private static String answer(Map<String, Grok> groks, MatcherWatchdog watchdog, String mode, String pattern, String text) {
        try {
            Grok grok = groks.computeIfAbsent(mode + " " + pattern,
                key -> new Grok(GrokBuiltinPatterns.get(mode), pattern, watchdog, warning -> {}));
            Map<String, Object> found = grok.captures(text);
            if (found == null) {
                return "-";
            }
            StringBuilder answer = new StringBuilder("+");
            for (Map.Entry<String, Object> field : new TreeMap<>(found).entrySet()) {
                answer.append('\t').append(escape(field.getKey())).append('=').append(escape(String.valueOf(field.getValue())));
            }
            return answer.toString();
        } catch (Throwable thrown) {
            return "!" + escape(String.valueOf(thrown.getMessage()));
        }
    }

    private static String escape(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
    }

    private static String unescape(String text) {
        StringBuilder plain = new StringBuilder();
        for (int place = 0; place < text.length(); place++) {
            char c = text.charAt(place);
            if (c == '\\') {
                c = text.charAt(++place);
                c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
            }
            plain.append(c);
        }
        return plain.toString();
    }
}
