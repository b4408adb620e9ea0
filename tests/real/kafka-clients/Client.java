import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Kafka's Java client on one broker: every codec, produced with the producer's defaults and idempotent, consumed in a group,
 * and the admin client. Arguments: HOST:PORT PREFIX. It uses what the client has had from 2.8 to 4.1.
 */
public class Client {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int PARTITIONS = 3;
    /** Records of one codec and one kind of producer. */
    private static final int RECORDS = 200;
    /** Until all records have come. */
    private static final Duration READ = Duration.ofSeconds(120);
    /** Until one answer is the wanted one; a group waits 45 seconds for a member that it lost. */
    private static final Duration ANSWER = Duration.ofSeconds(60);

    private final String broker;
    private final String prefix;
    private final List<String> topics = new ArrayList<>();

    private Client(String broker, String prefix) {
        this.broker = broker;
        this.prefix = prefix;
        for (String codec : CODECS) {
            topics.add(prefix + "-" + codec);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client(arguments[0], arguments[1]);
        try (Admin admin = Admin.create(client.properties())) {
            List<NewTopic> made =
                    client.topics.stream().map(name -> new NewTopic(name, PARTITIONS, (short) 1)).collect(Collectors.toList());
            admin.createTopics(made).all().get();
            for (String codec : CODECS) {
                client.produce(codec, false);
                client.produce(codec, true);
            }
            client.consume();
            client.administer(admin);
        }
        System.out.println("every codec passed with " + AppInfoParser.getVersion());
    }

    private Properties properties() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        return properties;
    }

    private static String key(boolean idempotent, int number) {
        return (idempotent ? "idempotent " : "default ") + number;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private void produce(String codec, boolean idempotent) throws Exception {
        Properties properties = properties();
        properties.put("compression.type", codec);
        if (idempotent) {
            properties.put("enable.idempotence", "true");
            properties.put("acks", "all");
        }
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int number = 0; number < RECORDS; number++) {
                String key = key(idempotent, number);
                sent.add(producer.send(new ProducerRecord<>(
                        prefix + "-" + codec,
                        null,
                        1_700_000_000_000L + number,
                        bytes(key),
                        bytes("value of " + key),
                        List.of(new RecordHeader("codec", bytes(codec))))));
            }
        }
        Set<String> places = new HashSet<>();
        for (Future<RecordMetadata> one : sent) {
            RecordMetadata place = one.get();
            places.add(place.partition() + ":" + place.offset());
        }
        same("places of " + codec, places.size(), RECORDS);
    }

    private void consume() throws Exception {
        Properties properties = properties();
        properties.put("group.id", prefix);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        Map<String, ConsumerRecord<byte[], byte[]>> seen = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            eventually("partitions", PARTITIONS, () -> consumer.partitionsFor(topics.get(0)).size());
            consumer.subscribe(topics);
            long end = System.nanoTime() + READ.toNanos();
            int wanted = CODECS.length * 2 * RECORDS;
            while (seen.size() < wanted && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    String place = record.topic() + " " + new String(record.key(), StandardCharsets.UTF_8);
                    same("records of " + place, seen.put(place, record), null);
                }
            }
            same("records", seen.size(), wanted);
            consumer.commitSync();
        }
        for (String codec : CODECS) {
            for (int number = 0; number < RECORDS; number++) {
                for (boolean idempotent : new boolean[] {false, true}) {
                    String key = key(idempotent, number);
                    ConsumerRecord<byte[], byte[]> record = seen.get(prefix + "-" + codec + " " + key);
                    same("value", new String(record.value(), StandardCharsets.UTF_8), "value of " + key);
                    same("timestamp", record.timestamp(), 1_700_000_000_000L + number);
                    same("header", new String(record.headers().lastHeader("codec").value(), StandardCharsets.UTF_8), codec);
                }
            }
        }
    }

    private void administer(Admin admin) throws Exception {
        eventually("topics", true, () -> admin.listTopics().names().get().containsAll(topics));
        eventually("nodes", 1, () -> admin.describeCluster().nodes().get().size());
        int node = admin.describeCluster().nodes().get().iterator().next().id();
        Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
        Map<TopicPartition, OffsetSpec> earliest = new HashMap<>();
        for (String topic : topics) {
            for (int partition = 0; partition < PARTITIONS; partition++) {
                latest.put(new TopicPartition(topic, partition), OffsetSpec.latest());
                earliest.put(new TopicPartition(topic, partition), OffsetSpec.earliest());
            }
        }
        Map<TopicPartition, Long> ends = offsets(admin, latest);
        eventually("committed offsets", ends, () -> {
            Map<TopicPartition, Long> committed = new TreeMap<>(ORDER);
            for (Map.Entry<TopicPartition, OffsetAndMetadata> one :
                    admin.listConsumerGroupOffsets(prefix).partitionsToOffsetAndMetadata().get().entrySet()) {
                committed.put(one.getKey(), one.getValue().offset());
            }
            return committed;
        });
        List<String> groups = List.of(prefix);
        eventually("members", 0, () -> admin.describeConsumerGroups(groups).all().get().get(prefix).members().size());
        admin.deleteConsumerGroups(groups).all().get();

        Map<TopicPartition, RecordsToDelete> gone = new HashMap<>();
        ends.forEach((partition, end) -> gone.put(partition, RecordsToDelete.beforeOffset(end)));
        admin.deleteRecords(gone).all().get();
        eventually("first offsets after deleting records", ends, () -> offsets(admin, earliest));

        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, topics.get(0));
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "123456789"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(topic, List.of(set))).all().get();
        eventually(
                "retention.ms",
                "123456789",
                () -> admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms").value());
        admin.createPartitions(Map.of(topics.get(0), NewPartitions.increaseTo(PARTITIONS + 1))).all().get();
        // Of each partition one replica.
        eventually("replicas", (long) topics.size() * PARTITIONS + 1, () -> replicas(admin, node));
        admin.deleteTopics(topics).all().get();
    }

    private long replicas(Admin admin, int node) throws Exception {
        return admin.describeLogDirs(List.of(node)).descriptions().get(node).get().values().stream()
                .flatMap(folder -> folder.replicaInfos().keySet().stream())
                .filter(partition -> topics.contains(partition.topic()))
                .count();
    }

    private static final java.util.Comparator<TopicPartition> ORDER = java.util.Comparator.comparing(TopicPartition::toString);

    private static Map<TopicPartition, Long> offsets(Admin admin, Map<TopicPartition, OffsetSpec> asked) throws Exception {
        Map<TopicPartition, Long> offsets = new TreeMap<>(ORDER);
        for (Map.Entry<TopicPartition, ListOffsetsResultInfo> one : admin.listOffsets(asked).all().get().entrySet()) {
            offsets.put(one.getKey(), one.getValue().offset());
        }
        return offsets;
    }

    /**
     * Asks again until the answer is the wanted one: Apache Kafka answers what changes topics and configs before its broker, which
     * is asked about them, has heard of it.
     */
    private static void eventually(String what, Object wanted, Callable<?> ask) throws Exception {
        long end = System.nanoTime() + ANSWER.toNanos();
        while (true) {
            Object got;
            try {
                got = ask.call();
            } catch (ExecutionException fault) {
                got = fault.getCause();
            }
            if (wanted.equals(got)) {
                return;
            }
            if (System.nanoTime() >= end) {
                same(what + ", not within " + ANSWER, got, wanted);
            }
            Thread.sleep(20);
        }
    }

    private static void same(String what, Object got, Object wanted) {
        if (!java.util.Objects.equals(got, wanted)) {
            throw new AssertionError(what + ": want " + wanted + "; got " + got);
        }
    }
}
