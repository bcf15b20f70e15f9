BEGIN TRANSACTION;
CREATE TABLE counter_decisions (
	series_id INTEGER NOT NULL, 
	at_us BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	growth FLOAT, 
	decided_at_us BIGINT NOT NULL, 
	PRIMARY KEY (series_id, at_us)
);
INSERT INTO "counter_decisions" VALUES(1,1000000,'swap',12.5,5);
CREATE TABLE devices (
	id VARCHAR(128) NOT NULL, 
	site VARCHAR(128) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	parent VARCHAR(128), 
	rating_w FLOAT, 
	interval_s FLOAT, 
	sampling VARCHAR(16) NOT NULL, 
	is_production BOOLEAN NOT NULL, 
	is_direction_swapped BOOLEAN NOT NULL, 
	rollover_wh FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "devices" VALUES('meter','home','Meter','meter',NULL,4000.0,NULL,'instant',0,0,655360.0);
INSERT INTO "devices" VALUES('roof','home','Roof','inverter','meter',NULL,NULL,'instant',1,0,NULL);
CREATE TABLE names_mark (
	serial BIGINT NOT NULL, 
	digest BIGINT NOT NULL, 
	crc BIGINT NOT NULL
);
INSERT INTO "names_mark" VALUES(5,4125122431,3682544746);
CREATE TABLE quarantine (
	id INTEGER NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	topic VARCHAR(512) NOT NULL, 
	payload BLOB NOT NULL, 
	received_at_us BIGINT NOT NULL, 
	code VARCHAR(32) NOT NULL, 
	detail VARCHAR(512) NOT NULL, 
	replayed_at_us BIGINT, 
	crc BIGINT, 
	replayed_crc BIGINT, 
	PRIMARY KEY (id), 
	UNIQUE ("key")
);
INSERT INTO "quarantine" VALUES(1,'e5a0fea06082c49864cc4aa5f1220bb8b392c4d5022b924dd1c3730f96934738','mqtt','a/b',X'FF00',1700000000000000,'json_syntax','line 1',NULL,2904745314,NULL);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(3);
CREATE TABLE series (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	device VARCHAR(128) NOT NULL, 
	quantity VARCHAR(64) NOT NULL, 
	UNIQUE (device, quantity)
);
INSERT INTO "series" VALUES(1,'meter','energy_import_wh');
INSERT INTO "series" VALUES(2,'meter','voltage_v');
CREATE TABLE sites (
	id VARCHAR(128) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	time_zone VARCHAR(64) NOT NULL, 
	currency VARCHAR(8) NOT NULL, 
	latitude FLOAT, 
	longitude FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "sites" VALUES('home','Home','UTC','EUR',48.0,11.5);
CREATE INDEX quarantine_by_time ON quarantine (received_at_us);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('series',2);
COMMIT;
PRAGMA user_version = 3;
