/**
 * The words of all names of all worlds: 96 per slot, the same for every seed, so that a tokenizer made from one world
 * has each word of any other as one token. No word occurs in two slots, nor is one an English word of the templates:
 * a word alone says the type of its entity and its place in the name.
 */
function words(list: string): readonly string[] {
  return list.trim().split(/\s+/);
}

const lists = {
  personFirst: `
    Bamdric Bavissa Belvasissa Benedwen Bibedulf Botissa Broliddric Bruliel Bulrik Celvemiel Clevarard Curdissa
    Curlanlas Cuzlas Darlissa Drarnuslas Drorviel Dululf Fanisvin Floketta Florlas Gibiel Gindric Grasissa Gredelard
    Gridonlas Grunetissa Gurnissa Hebetta Hepulf Hurdric Jirmund Jordetona Jovaliel Kavona Kevulona Kisotetta
    Korotrik Krenumulf Kromissa Krulvetta Linunmund Malvalvin Marvin Mateldric Mavutrik Mipdric Mumissa Mumorulf
    Nonvin Normund Nubetta Nudulf Nunodona Perlotiel Pilinard Prebodiel Prerosona Presard Razoliel Rekusulf Rinodvin
    Rirlelrik Sasmund Seglas Segunwen Sibetta Sordissa Steliniel Sternetta Stigard Stinasulf Stirnamard Stordamwen
    Stovetta Stubutard Sulard Thagutona Thatunulf Thinidetta Thirwen Thurdona Trizrik Trurviswen Trusonona Truvdric
    Tuzolona Vedotona Vemodetta Vovrik Wolvusard Wubetta Wurmund Wutadwen Zerviel Zusmund
  `,
  personLast: `
    Batecker Borditson Brinustrom Cesistrom Ciralman Clunshaw Clupcroft Clurecker Conelson Cozestrom Dosshaw Drogman
    Dugson Dumirwell Fegelman Flasmere Flervotson Flolarick Fluzengard Fusetman Gadgard Gazulick Gerdecker
    Gredatgard Grevgard Gritesson Hagingard Homcroft Hulwell Hutcroft Jagman Jarmere Jirgard Kincroft Konshaw Korman
    Kovimwell Krizecker Ladestrom Larcroft Lerwell Lilwell Linecker Lirshaw Lolecker Lorlalson Mangard Memecker
    Motussen Nekwell Nitalman Nilwell Nunecker Palcroft Pemitwell Pigolman Piramshaw Pomolshaw Prigimshaw Primermere
    Prurman Prurwell Pruvarick Ridudley Rivshaw Rosshaw Siradley Stapmere Stivomman Stonecker Stormere Sturcroft
    Surluswell Tanick Thapecker Tharismere Themick Thinosick Thisosson Tibosson Tridson Trovitsen Trukestrom
    Tulistrom Valenley Varnanson Vesistrom Vommere Vorshaw Wikalmere Wivcroft Wurdecker Zapestrom Zodidley Zolcroft
    Zurastrom
  `,
  companyFirst: `
    Bepvex Bragtron Brelarzon Brizadnix Brurvallux Bunusnix Celplex Clalendex Clardilnix Climcore Clipelnix Dekemvex
    Dibflux Dolemtek Donamtek Drezflux Drodflux Drusnix Dubotvex Falmatic Fekvex Finittek Flarvirdex Flegflux
    Flovcore Flunattek Garladplex Grasultek Grirvex Grolarplex Grolulzon Hamcore Hezplex Hidonvex Humotdex Jalidyne
    Jizmatic Jonalplex Jorcore Judunzon Kilzon Kolcore Kramorcore Kreslux Krolplex Krulvadzon Kunerplex Linplex
    Lirflux Lolmatic Loltron Lonvex Maviszon Mirtron Mokudzon Muladcore Mundex Nenflux Nevmatic Nirudyne Prarindex
    Premvex Rarflux Rimzon Runtek Salistek Segflux Sirvurflux Statoscore Steninflux Stumnix Sturzon Sulvosvex Tarvex
    Tarvilnix Tervoltek Tezvex Thokidplex Thunplex Trogvex Trolenflux Trundex Vavelzon Vogtron Votcore Wagflux
    Wanedzon Wercore Wonontek Wumcore Wurdoldex Zarvedcore Zodosnix Zokadtron Zomoltek Zoptron
  `,
  companyLast: `
    Bebbank Brakitware Bravforge Bregware Capwheel Cepcraft Cinodloom Cinwheel Clartrust Clentrust Clormills
    Clugware Cogforge Contrust Curworks Dakwheel Dallines Ditlines Dordusbank Drarworks Drazforge Drikloom Drommills
    Drorcraft Dumforge Fartrust Firpress Florloom Fopwheel Furworks Gapbank Gerware Gompress Gotuslabs Grerforge
    Grumcraft Hentrust Hodusware Holbank Holwheel Huvurbank Jamworks Jepelloom Jormills Jorpress Jultrust Kogforge
    Lupwheel Malloom Merlines Mosadbank Murwheel Nadworks Neplabs Nimtrust Nirlabs Nirworks Nurpress Pamloom
    Pebwheel Pragmills Pritcraft Prulonlabs Puvtrust Rilvulbank Ronworks Rulwheel Rutpress Sekcraft Serpress
    Solpress Stigatware Stisforge Storware Sumware Teblines Tezforge Theglabs Therumloom Thurbank Timlabs Torbank
    Tralworks Traplabs Travamware Travmills Trincraft Trirtrust Tronwheel Vuttrust Wirtrust Wizworks Wovcraft
    Zanforge Zetlabs Zobpress
  `,
  townFirst: `
    Barvolham Bavinness Berham Bonness Bozthorpe Brenodburg Broliby Brotidburg Calminster Carvosgrad Catford
    Cerdelham Cetgrad Cibedton Ciratport Clesgrad Clolidton Clurlamham Cosholm Culvusholm Cupminster Cuverton
    Dropalgrad Famholm Fevthorpe Florness Fodthorpe Forholm Gargrad Godburg Gotuswick Govness Grakamburg Grerdodham
    Grurgrad Gruzthorpe Guponton Hanthorpe Harnedton Hevthorpe Jazness Jokthorpe Jopgrad Jukeneby Julholm Jupness
    Kapirwick Keloby Kesham Kezasham Korvatholm Kronham Krurthorpe Lasholm Logaby Lutness Mamulgrad Murnideby
    Nabutuby Navton Nevwick Nimholm Povness Pralgrad Prepisburg Proronham Prulness Puvinton Rarburg Ravwick
    Revthorpe Rinwick Robuston Romgrad Rorford Rudburg Rulthorpe Sargrad Stamton Sukholm Thilirham Thovarport
    Thurford Tramoduby Trimoteby Trulotholm Trurholm Vanford Vavitton Vuvburg Wenminster Wirniston Wukasgrad Zekholm
    Zolwick Zorburg
  `,
  townLast: `
    Balwater Bepmoor Bidwater Bremwold Brolbrook Broswater Bulhaven Cargate Cilmoor Cinwater Cipotmoor Clarbrook
    Clavwater Clipcliff Clupustead Dephaven Dirmarsh Dravwater Drerastead Dropmarsh Drorhurst Falcliff Firgate
    Fishurst Flobhurst Flonwold Flurhaven Fodwater Foghaven Fotdale Furwold Gargate Gerhurst Gordasdale Grogwold
    Hedbrook Jelcombe Jemistead Jerustead Jircliff Kargate Kephurst Kokmoor Krarmoor Krizostead Krushurst Kupastead
    Kuscliff Lagestead Lezhaven Limmoor Lirhurst Lizwater Lurwold Moghurst Monwold Nammoor Nitcombe Nolhurst
    Penhaven Pivgate Prekhaven Prekustead Prisumdale Puzbrook Rincliff Runustead Sardale Sepmoor Soshaven Stelwold
    Stermarsh Stikotwold Surcombe Tavhurst Thabmarsh Thekbrook Thilungate Thovmoor Torhaven Tremgate Trerbrook
    Trercliff Trildale Trorcombe Turcliff Tusbrook Vasetwold Velmoor Vommoor Wercombe Wishurst Wivmarsh Wudmoor
    Zelcliff Zirhurst
  `,
  countryFirst: `
    Badalia Besalia Bezenia Bonenia Bralvesia Bresithia Brimenia Brirodia Brosandia Caludavia Carnesia Cemesia
    Clenavia Clevuria Coreralia Curovia Dardistan Dimumbia Dirdalia Dridonavia Drosutovia Dukithia Fabandia Famumbia
    Flatunesia Flinenia Fliremonia Gatodia Gezistan Gogumbia Grumodia Gugonia Heradodia Horavia Hornistan Huvodia
    Jivandia Jizonia Juvavia Karvumbia Kiravia Kisodia Kratumbia Krerumbia Krosesia Laratalia Lonalia Lovistan
    Lurenia Luvotavia Melvavia Mobisonia Morduria Mornandia Muristan Nebithia Nemalia Nirnovia Nolonia Nuburia
    Parvistan Pidumbia Pimesia Polvalia Poralalia Porumbia Pranithia Prazistan Prolonia Purandia Ranavia Rasandia
    Remumbia Rimodia Rogithia Salvumbia Sanonia Sisuria Sitonavia Somavia Surdidovia Tarnesia Thepithia Tranesia
    Tripisalia Trurnumbia Tukistan Vatovia Vemironia Vepithia Vibavia Vinistan Wernodia Wimesia Zeralia Zerdonia
  `,
  countryLast: `
    Brabridge Brarcoast Brunridge Buvirisle Clitisle Codplain Davplain Dilheim Drelheim Drenisle Dripland Drolland
    Drukridge Drurland Drurreach Drusrealm Flerland Flerridge Fligrealm Gelrealm Grikmark Grolcoast Gukshire
    Harvisle Havheim Havilheim Hercoast Herrealm Hikshire Hilvale Hirridge Hugreach Jalreach Jetvale Jovelisle
    Judunland Jurheim Kigutland Kimomestan Kirdisle Krapheim Krepplain Kronvale Krorland Lirrealm Lisplain Lonilisle
    Lorvale Lurinvale Mamisle Menanvale Mercoast Nevland Nimrealm Nulvale Nuvshire Pelerheim Pelostan Pradadmark
    Pradisle Pralanmark Prarvisle Prelheim Progisle Provridge Prurnisle Pulridge Puvustan Ragland Sobostan Stavshire
    Stircoast Stivestan Surrealm Thakreach Thalplain Thamvale Tharheim Tholrealm Tiscoast Trikunmark Tripridge
    Trirvale Trolshire Tusheim Vabshire Vakmark Vugridge Watridge Womplain Wotheim Zamrealm Zekridge Zerplain
    Zilshire Zovplain
  `,
  schoolFirst: `
    Banatis Binius Bokentia Borvendi Brezisius Cadilius Carulum Cemumen Clanicus Copentia Cuporaeum Dakudorum
    Darvolus Devosatis Didentia Ditendi Drekantis Drezicus Drirantis Dritaeum Dropentia Drosicus Drovimaeum Feborix
    Filorix Flenaeum Garvaeum Gelvolus Gitarolus Gobudendi Gomius Gopicus Govedendi Graduratis Grarantis Gridunius
    Grobumen Grutolendi Gumorum Jobulum Jobumen Jordentia Kadaeum Kanius Kelatis Kelemolus Korniricus Kranorum
    Krividumen Lavaeum Linolus Liricus Lolvicus Loticus Merulum Mivulum Nanentia Naratis Nilaeum Nirdolus Nirnendi
    Parnatis Pavatis Preludolus Prezolus Prumumen Rarnumen Renantis Rorlulum Sataeum Silolus Soventia Stamentia
    Stenantis Stervatis Stiratis Sulatis Tamiratis Thalamulum Thebantis Thotius Thovantis Thugantis Thulematis
    Thusulum Trobumen Truvolus Varnusorum Vasendi Vimorix Virdidolus Werlolus Wukicus Zalvimendi Zasantis Zasorum
  `,
  schoolLast: `
    Barlodge Bilcourt Brenaspire Bripquill Bruddome Bultdome Caliscroll Cegdome Cemquill Ceroscroll Clipulyce
    Clordabbey Cluncloist Clurtower Curhall Dalashall Drekarch Drepoldome Drimcourt Drutquill Fathall Femalyce
    Flovcourt Fultower Furilyce Gapuspire Gelascroll Gerolyce Gesquill Girdome Gripulyce Gumtower Habescroll
    Hiktower Horquill Hovilyce Huncourt Japquill Jemhall Jirarch Jodedalyce Jolquill Jubcloist Kanhall Kemcloist
    Koloscroll Krircloist Krirlabbey Kulquill Linespire Loviscroll Lurusulyce Mazlodge Mepuscroll Mistower Morcloist
    Morlabbey Muruscroll Nilvarch Nuvhall Penabbey Perescroll Pilcloist Pomabbey Prapdome Raldome Ratlodge Reguddome
    Rertower Rinescroll Sabusdome Senhall Sigimelyce Soplodge Stebcloist Stezdome Sugelyce Tapcloist Tebtower
    Therdome Thiltower Thorcourt Tilvarch Tulispire Tunospire Tupelyce Vomarch Vortower Vumulyce Walespire Wedtower
    Wigtower Wotlodge Wurcourt Zogospire Zulospire
  `,
} as const;

export type EntityType = 'person' | 'company' | 'town' | 'country' | 'school';
export const entityTypes: readonly EntityType[] = ['person', 'company', 'town', 'country', 'school'];

export interface NameLexicon {
  readonly first: readonly string[];
  readonly last: readonly string[];
}

export const lexicon: Readonly<Record<EntityType, NameLexicon>> = {
  person: { first: words(lists.personFirst), last: words(lists.personLast) },
  company: { first: words(lists.companyFirst), last: words(lists.companyLast) },
  town: { first: words(lists.townFirst), last: words(lists.townLast) },
  country: { first: words(lists.countryFirst), last: words(lists.countryLast) },
  school: { first: words(lists.schoolFirst), last: words(lists.schoolLast) },
};

const typeOfWord = new Map(entityTypes.flatMap((type) => lexicon[type].first.map((word) => [word, type] as const)));

/** The type of a world's entity, read from its first word; undefined for any other text. */
export function typeOfName(name: string): EntityType | undefined {
  return typeOfWord.get(name.split(' ', 1)[0] ?? '');
}
